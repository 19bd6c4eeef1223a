-- check = "pain_score_without_day"
-- title = "A pain score has no date, or one without a day"
-- category = "completeness"
-- severity = "convention"
-- threshold = 0.0
-- denominator = """
-- SELECT count(*) FROM core.pain_score
-- """
-- advice = """
-- It cannot be placed before or after the treatment; ask the center for full dates.
-- """
SELECT
    center_id,
    pain_score_key,
    exclusion_reason AS reason
FROM core.pain_score
WHERE exclusion_reason IN ('no date', 'partial date')
