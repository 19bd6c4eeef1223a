-- check = "lesion_without_level"
-- title = "A treated lesion has no vertebral level"
-- category = "completeness"
-- severity = "convention"
-- threshold = 0.0
-- denominator = """
-- SELECT count(*) FROM core.lesion
-- """
-- advice = """
-- Only its region is known, or nothing: two lesions of one region may be counted as one. Map the center's
-- site codes.
-- """
SELECT
    center_id,
    lesion_key,
    coalesce(region, 'no region') AS reason
FROM core.lesion
WHERE level IS NULL
