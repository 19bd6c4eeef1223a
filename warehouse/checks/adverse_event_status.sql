-- check = "adverse_event_status"
-- title = "An AdverseEvent's actuality or status is outside its required value set"
-- category = "conformance"
-- severity = "convention"
-- threshold = 0.0
-- denominator = """
-- SELECT count(*) FROM flat.adverse_event
-- """
-- advice = """
-- FHIR binds both elements to fixed lists (status: R5 only): ask the center to send their codes.
-- """
-- reference = "HL7 FHIR R4 and R5, AdverseEvent: adverse-event-actuality, adverse-event-status"
SELECT
    center_id,
    adverse_event_key,
    CASE
        WHEN actuality IS NULL THEN 'actuality missing'
        WHEN actuality NOT IN ('actual', 'potential') THEN 'actuality'
        ELSE 'status'
    END AS reason
FROM flat.adverse_event
WHERE
    actuality IS NULL
    OR actuality NOT IN ('actual', 'potential')
    OR status NOT IN ('in-progress', 'completed', 'entered-in-error', 'unknown')
