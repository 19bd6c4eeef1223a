-- check = "no_cohort"
-- title = "No patient is in the cohort"
-- category = "completeness"
-- severity = "fatal"
-- threshold = 0.0
-- denominator = """
-- SELECT count(*) FROM core.rule
-- """
-- advice = """
-- Read core.flow: the step at which the number falls to zero names the code list, link or date that fails.
-- """
SELECT
    'all' AS center_id,
    'cohort' AS cohort_key,
    'no treatment in the study window' AS reason
FROM core.rule
WHERE NOT EXISTS (SELECT 1 FROM core.patient)
