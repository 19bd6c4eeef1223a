-- check = "age_unknown"
-- title = "A cohort patient has no age"
-- category = "completeness"
-- severity = "convention"
-- threshold = 0.0
-- denominator = """
-- SELECT count(*) FROM core.patient
-- """
-- advice = """
-- The Patient or its full birth date is missing; the patient is left out of the ages.
-- """
SELECT
    center_id,
    patient_key,
    'no age at index' AS reason
FROM core.patient
WHERE age_at_index_years IS NULL
