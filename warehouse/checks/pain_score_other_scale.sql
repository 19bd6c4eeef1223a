-- check = "pain_score_other_scale"
-- title = "A pain score is on another scale than the numeric rating"
-- category = "plausibility"
-- severity = "characterization"
-- threshold = 0.1
-- denominator = """
-- SELECT count(*) FROM core.pain_score
-- """
-- advice = """
-- Nothing to do: other scales are never mixed in. A large share says that the center's main scale is another
-- one.
-- """
SELECT
    center_id,
    pain_score_key,
    exclusion_reason AS reason
FROM core.pain_score
WHERE scale <> 'nprs'
