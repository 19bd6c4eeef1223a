-- check = "pain_scores_same_day"
-- title = "Several pain scores stand for the same day and phase"
-- category = "plausibility"
-- severity = "characterization"
-- threshold = 0.2
-- denominator = """
-- SELECT count(*) FROM core.pain_score
-- """
-- advice = """
-- The highest counts by the study rules. A large share points to resources sent twice under different ids.
-- """
SELECT
    center_id,
    pain_score_key,
    exclusion_reason AS reason
FROM core.pain_score
WHERE exclusion_reason = 'not the highest of its day'
