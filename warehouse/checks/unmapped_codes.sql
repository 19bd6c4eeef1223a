-- check = "unmapped_codes"
-- title = "A code in use means nothing to the study"
-- category = "completeness"
-- severity = "characterization"
-- threshold = 0.2
-- denominator = """
-- SELECT (SELECT count(*) FROM ops.unmapped) + count(*)
--     FROM (SELECT DISTINCT center_id, resource_type, element, code_set, concept FROM flat.concept)
-- """
-- advice = """
-- Export the codes, decide on each that matters and put it into the center's code file; nothing is guessed.
-- """
SELECT
    center_id,
    resource_type,
    element,
    system AS code_system,
    resources
FROM ops.unmapped
