-- check = "duplicate_keys"
-- title = "A flat table has two rows for one resource"
-- category = "conformance"
-- severity = "fatal"
-- threshold = 0.0
-- denominator = """
-- SELECT (SELECT count(*) FROM flat.patient) + (SELECT count(*) FROM flat.condition)
--     + (SELECT count(*) FROM flat.procedure) + (SELECT count(*) FROM flat.observation)
--     + (SELECT count(*) FROM flat.adverse_event) + (SELECT count(*) FROM flat.body_structure)
-- """
-- advice = """
-- A view gives several rows a resource: look for a forEach that should be in the coding or reference view.
-- """
WITH resource AS (
    SELECT
        center_id,
        'patient' AS flat_table,
        patient_key AS resource_key
    FROM flat.patient
    UNION ALL
    SELECT
        center_id,
        'condition' AS flat_table,
        condition_key AS resource_key
    FROM flat.condition
    UNION ALL
    SELECT
        center_id,
        'procedure' AS flat_table,
        procedure_key AS resource_key
    FROM flat.procedure
    UNION ALL
    SELECT
        center_id,
        'observation' AS flat_table,
        observation_key AS resource_key
    FROM flat.observation
    UNION ALL
    SELECT
        center_id,
        'adverse_event' AS flat_table,
        adverse_event_key AS resource_key
    FROM flat.adverse_event
    UNION ALL
    SELECT
        center_id,
        'body_structure' AS flat_table,
        body_structure_key AS resource_key
    FROM flat.body_structure
)

SELECT
    center_id,
    flat_table,
    resource_key,
    count(*) AS copies
FROM resource
GROUP BY center_id, flat_table, resource_key
HAVING count(*) > 1
