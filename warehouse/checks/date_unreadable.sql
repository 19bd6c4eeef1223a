-- check = "date_unreadable"
-- title = "A date cannot be read"
-- category = "conformance"
-- severity = "convention"
-- threshold = 0.0
-- denominator = """
-- SELECT count(*) FROM flat.dated
-- """
-- advice = """
-- It is neither a FHIR date nor a dateTime; the resource counts as undated there.
-- """
SELECT
    center_id,
    resource_key,
    resource_type,
    element AS reason
FROM flat.dated
WHERE dated_precision = 'invalid'
