-- check = "entered_in_error"
-- title = "A resource was marked as entered in error"
-- category = "plausibility"
-- severity = "characterization"
-- threshold = 0.05
-- denominator = """
-- SELECT (SELECT count(*) FROM flat.condition) + (SELECT count(*) FROM flat.procedure)
--     + (SELECT count(*) FROM flat.observation) + (SELECT count(*) FROM flat.adverse_event)
-- """
-- advice = """
-- Nothing to do: it is left out, and so are the figures that rested on it.
-- """
SELECT
    center_id,
    condition_key AS resource_key,
    'Condition' AS resource_type
FROM flat.condition
WHERE verification_status = 'entered-in-error'
UNION ALL
SELECT
    center_id,
    procedure_key AS resource_key,
    'Procedure' AS resource_type
FROM flat.procedure
WHERE status = 'entered-in-error'
UNION ALL
SELECT
    center_id,
    observation_key AS resource_key,
    'Observation' AS resource_type
FROM flat.observation
WHERE status = 'entered-in-error'
UNION ALL
SELECT
    center_id,
    adverse_event_key AS resource_key,
    'AdverseEvent' AS resource_type
FROM flat.adverse_event
WHERE status = 'entered-in-error'
