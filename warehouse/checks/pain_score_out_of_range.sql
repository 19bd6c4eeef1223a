-- check = "pain_score_out_of_range"
-- title = "A numeric pain rating is not within 0 to 10"
-- category = "plausibility"
-- severity = "convention"
-- threshold = 0.0
-- denominator = """
-- SELECT count(*) FROM core.pain_score
-- """
-- advice = """
-- Typing error or another scale under the code of the numeric rating: ask the center to correct or recode
-- it.
-- """
SELECT
    center_id,
    pain_score_key,
    exclusion_reason AS reason
FROM core.pain_score
WHERE exclusion_reason = 'out of range'
