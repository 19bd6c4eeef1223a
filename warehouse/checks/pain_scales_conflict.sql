-- check = "pain_scales_conflict"
-- title = "A pain Observation is coded on two scales"
-- category = "conformance"
-- severity = "convention"
-- threshold = 0.0
-- denominator = """
-- SELECT count(*) FROM flat.pain_value
-- """
-- advice = """
-- It counts as a numeric rating because one code says so: ask the center which of the two was used.
-- """
SELECT
    center_id,
    resource_key AS observation_key,
    min(concept) AS first_scale,
    max(concept) AS second_scale
FROM flat.concept
WHERE resource_type = 'Observation' AND element = 'code' AND code_set = 'pain_score'
GROUP BY center_id, resource_key
HAVING min(concept) <> max(concept)
