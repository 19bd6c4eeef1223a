-- check = "baseline_assumed"
-- title = "A baseline score of the index day has no time"
-- category = "plausibility"
-- severity = "characterization"
-- threshold = 0.1
-- denominator = """
-- SELECT count(*) FROM core.pain_timeline WHERE time_point = 'baseline'
-- """
-- advice = """
-- It is taken to be before the treatment because there is no earlier score; times with the scores would
-- settle it.
-- """
SELECT
    center_id,
    pain_score_key,
    'day of treatment without a time' AS reason
FROM core.pain_timeline
WHERE is_assumed_before
