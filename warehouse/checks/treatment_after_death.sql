-- check = "treatment_after_death"
-- title = "A treatment is dated after the death of its patient"
-- category = "plausibility"
-- severity = "convention"
-- threshold = 0.0
-- denominator = """
-- SELECT count(*) FROM core.treatment
-- """
-- advice = """
-- One of the two dates is wrong, or two patients were merged; ask the center.
-- """
SELECT
    treatment.center_id,
    treatment.treatment_key,
    'after death' AS reason
FROM core.treatment AS treatment
INNER JOIN flat.dated AS died
    ON
        treatment.patient_key = died.resource_key
        AND died.resource_type = 'Patient'
        AND died.element = 'deceased'
WHERE treatment.treated_date > died.latest_date
