-- check = "observation_after_death"
-- title = "A score or assessment is dated after death"
-- category = "plausibility"
-- severity = "convention"
-- threshold = 0.0
-- denominator = """
-- SELECT (SELECT count(*) FROM core.pain_score) + (SELECT count(*) FROM core.local_control)
-- """
-- advice = """
-- One of the two dates is wrong, or two patients were merged. The Observation is left out; ask the center.
-- """
SELECT
    center_id,
    pain_score_key AS observation_key,
    exclusion_reason AS reason
FROM core.pain_score
WHERE exclusion_reason = 'after death'
UNION ALL
SELECT
    center_id,
    observation_key,
    exclusion_reason AS reason
FROM core.local_control
WHERE exclusion_reason = 'after death'
