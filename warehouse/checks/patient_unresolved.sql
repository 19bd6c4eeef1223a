-- check = "patient_unresolved"
-- title = "A resource refers to a Patient we do not have"
-- category = "conformance"
-- severity = "convention"
-- threshold = 0.0
-- denominator = """
-- SELECT (SELECT count(*) FROM flat.condition) + (SELECT count(*) FROM flat.procedure)
--     + (SELECT count(*) FROM flat.observation) + (SELECT count(*) FROM flat.adverse_event)
--     + (SELECT count(*) FROM flat.body_structure)
-- """
-- advice = """
-- The reference is foreign, contained or logical, or the Patient was refused or not shown to us; see the
-- quarantine.
-- """
WITH resource AS (
    SELECT
        center_id,
        condition_key AS resource_key,
        'Condition' AS resource_type,
        patient_key
    FROM flat.condition
    UNION ALL
    SELECT
        center_id,
        procedure_key AS resource_key,
        'Procedure' AS resource_type,
        patient_key
    FROM flat.procedure
    UNION ALL
    SELECT
        center_id,
        observation_key AS resource_key,
        'Observation' AS resource_type,
        patient_key
    FROM flat.observation
    UNION ALL
    SELECT
        center_id,
        adverse_event_key AS resource_key,
        'AdverseEvent' AS resource_type,
        patient_key
    FROM flat.adverse_event
    UNION ALL
    SELECT
        center_id,
        body_structure_key AS resource_key,
        'BodyStructure' AS resource_type,
        patient_key
    FROM flat.body_structure
)

SELECT
    resource.center_id,
    resource.resource_key,
    resource.resource_type,
    CASE WHEN resource.patient_key IS NULL THEN 'no usable reference' ELSE 'Patient not received' END
        AS reason
FROM resource
LEFT JOIN flat.patient AS patient ON resource.patient_key = patient.patient_key
WHERE
    patient.patient_key IS NULL
    -- Procedures of other techniques are counted in the flow, but their patients are not asked for.
    AND (
        resource.patient_key IS NULL
        OR resource.resource_type <> 'Procedure'
        OR resource.resource_key IN (
            SELECT concept.resource_key
            FROM flat.concept AS concept
            WHERE
                concept.resource_type = 'Procedure'
                AND concept.code_set = 'procedure'
                AND concept.concept = 'cryoablation'
        )
    )
