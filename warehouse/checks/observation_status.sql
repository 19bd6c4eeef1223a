-- check = "observation_status"
-- title = "Observation.status is outside its required value set"
-- category = "conformance"
-- severity = "convention"
-- threshold = 0.0
-- denominator = """
-- SELECT count(*) FROM flat.observation
-- """
-- advice = """
-- FHIR binds this element to a fixed list: ask the center to send one of its codes.
-- """
SELECT
    center_id,
    observation_key,
    coalesce(status, 'missing') AS reason
FROM flat.observation
WHERE
    status IS NULL
    OR status NOT IN (
        'registered', 'preliminary', 'final', 'amended', 'corrected', 'cancelled', 'entered-in-error',
        'unknown'
    )
