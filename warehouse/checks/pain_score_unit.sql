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
-- measured; a unit of the scale that is not known yet belongs into mappings/values/units.csv with its source.
-- flat.pain_value of the private warehouse holds each unit as sent.
-- """
SELECT
    center_id,
    pain_score_key,
    exclusion_reason AS reason
FROM core.pain_score
WHERE exclusion_reason = 'unit is not one of the scale'
