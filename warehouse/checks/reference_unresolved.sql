-- check = "reference_unresolved"
-- title = "A reference leads to no resource of its center"
-- category = "conformance"
-- severity = "characterization"
-- threshold = 0.0
-- denominator = """
-- SELECT (SELECT count(*) FROM flat.condition_reference) + (SELECT count(*) FROM flat.procedure_reference)
--     + (SELECT count(*) FROM flat.observation_reference)
--     + (SELECT count(*) FROM flat.adverse_event_reference)
--     + (SELECT count(*) FROM flat.body_structure_reference)
-- """
-- advice = """
-- It is contained (#…), a urn:, logical (an identifier only) or absolute outside the center's base_url, and
-- counts as no reference. If base_url is not what the server calls itself in references, correct it; else ask
-- the center for references by type and id.
-- """
-- reference = "FHIR R4 2.3 (Reference); SQL on FHIR 2.0.0, getReferenceKey()"
SELECT
    center_id,
    condition_key AS resource_key,
    'Condition' AS resource_type,
    element AS reason
FROM flat.condition_reference
WHERE target_key IS NULL
UNION ALL
SELECT
    center_id,
    procedure_key AS resource_key,
    'Procedure' AS resource_type,
    element AS reason
FROM flat.procedure_reference
WHERE target_key IS NULL
UNION ALL
SELECT
    center_id,
    observation_key AS resource_key,
    'Observation' AS resource_type,
    element AS reason
FROM flat.observation_reference
WHERE target_key IS NULL
UNION ALL
SELECT
    center_id,
    adverse_event_key AS resource_key,
    'AdverseEvent' AS resource_type,
    element AS reason
FROM flat.adverse_event_reference
WHERE target_key IS NULL
UNION ALL
SELECT
    center_id,
    body_structure_key AS resource_key,
    'BodyStructure' AS resource_type,
    element AS reason
FROM flat.body_structure_reference
WHERE target_key IS NULL
