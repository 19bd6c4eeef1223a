-- check = "baseline_missing"
-- title = "A painful patient has no baseline score"
-- category = "completeness"
-- severity = "convention"
-- threshold = 0.1
-- denominator = """
-- SELECT count(*) FROM core.patient WHERE is_painful
-- """
-- advice = """
-- Without a baseline the patient is missing from every comparison of pain; see the reasons in
-- core.pain_score.
-- """
SELECT
    center_id,
    patient_key,
    'no baseline score' AS reason
FROM core.patient
WHERE is_painful AND baseline_score IS NULL
