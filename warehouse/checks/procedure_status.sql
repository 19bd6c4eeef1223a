-- check = "procedure_status"
-- title = "Procedure.status is outside its required value set"
-- category = "conformance"
-- severity = "convention"
-- threshold = 0.0
-- denominator = """
-- SELECT count(*) FROM flat.procedure
-- """
-- advice = """
-- FHIR binds this element to a fixed list: ask the center to send one of its codes.
-- """
SELECT
    center_id,
    procedure_key,
    coalesce(status, 'missing') AS reason
FROM flat.procedure
WHERE
    status IS NULL
    OR status NOT IN (
        'preparation', 'in-progress', 'not-done', 'on-hold', 'stopped', 'completed', 'entered-in-error',
        'unknown'
    )
