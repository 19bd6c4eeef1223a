-- check = "blank_strings"
-- title = "A coding has an empty code or system"
-- category = "conformance"
-- severity = "convention"
-- threshold = 0.0
-- denominator = """
-- SELECT (SELECT count(*) FROM flat.condition_coding) + (SELECT count(*) FROM flat.procedure_coding)
--     + (SELECT count(*) FROM flat.observation_coding) + (SELECT count(*) FROM flat.adverse_event_coding)
--     + (SELECT count(*) FROM flat.body_structure_coding)
-- """
-- advice = """
-- FHIR forbids empty strings and means no value by leaving an element out; such a coding means nothing here.
-- Ask the center to leave the element out or to fill it in.
-- """
-- reference = "HL7 FHIR R4 2.24 (string): may not be empty"
WITH coding AS (
    SELECT
        center_id,
        condition_key AS resource_key,
        'Condition' AS resource_type,
        element,
        system AS code_system,
        code
    FROM flat.condition_coding
    UNION ALL
    SELECT
        center_id,
        procedure_key AS resource_key,
        'Procedure' AS resource_type,
        element,
        system AS code_system,
        code
    FROM flat.procedure_coding
    UNION ALL
    SELECT
        center_id,
        observation_key AS resource_key,
        'Observation' AS resource_type,
        element,
        system AS code_system,
        code
    FROM flat.observation_coding
    UNION ALL
    SELECT
        center_id,
        adverse_event_key AS resource_key,
        'AdverseEvent' AS resource_type,
        element,
        system AS code_system,
        code
    FROM flat.adverse_event_coding
    UNION ALL
    SELECT
        center_id,
        body_structure_key AS resource_key,
        'BodyStructure' AS resource_type,
        element,
        system AS code_system,
        code
    FROM flat.body_structure_coding
)

SELECT
    center_id,
    resource_key,
    resource_type,
    element AS reason
FROM coding
WHERE trim(code) = '' OR trim(code_system) = ''
