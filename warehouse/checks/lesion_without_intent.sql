-- check = "lesion_without_intent"
-- title = "A treated lesion has no coded intent"
-- category = "completeness"
-- severity = "convention"
-- threshold = 0.1
-- denominator = """
-- SELECT count(*) FROM core.lesion
-- """
-- advice = """
-- It is left out of local control, which is told for curative intent only; ask the center for Procedure
-- intents.
-- """
SELECT
    center_id,
    lesion_key,
    'no intent' AS reason
FROM core.lesion
WHERE intent IS NULL
