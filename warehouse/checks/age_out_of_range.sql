-- check = "age_out_of_range"
-- title = "A cohort patient is younger than 18 or older than 110"
-- category = "plausibility"
-- severity = "characterization"
-- threshold = 0.0
-- denominator = """
-- SELECT count(*) FROM core.patient
-- """
-- advice = """
-- The treatment is one of adults, so the birth date is the first thing to look at. The age is used as it is.
-- """
SELECT
    center_id,
    patient_key,
    'age at the index treatment' AS reason
FROM core.patient
WHERE age_at_index_years < 18 OR age_at_index_years > 110
