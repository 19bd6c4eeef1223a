-- check = "pain_score_unit"
-- title = "A numeric pain rating has a unit that is not a score"
-- category = "conformance"
-- severity = "convention"
-- threshold = 0.0
-- denominator = """
-- SELECT count(*) FROM core.pain_score
-- """
-- advice = """
-- Millimeters are a visual analog scale: the center should code it as one. Other units: ask what was
-- measured.
-- """
SELECT
    center_id,
    pain_score_key,
    exclusion_reason AS reason
FROM core.pain_score
WHERE exclusion_reason = 'unit is not a 0-10 score'
