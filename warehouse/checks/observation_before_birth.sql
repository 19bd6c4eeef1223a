-- check = "observation_before_birth"
-- title = "An Observation is dated before the birth of its patient"
-- category = "plausibility"
-- severity = "convention"
-- threshold = 0.0
-- denominator = """
-- SELECT count(*) FROM flat.observation
-- """
-- advice = """
-- One of the two dates is wrong, or two patients were merged; ask the center.
-- """
SELECT
    observation.center_id,
    observation.observation_key,
    'before birth' AS reason
FROM flat.observation AS observation
INNER JOIN flat.dated AS effective
    ON
        observation.observation_key = effective.resource_key
        AND effective.resource_type = 'Observation'
        AND effective.element = 'effective'
INNER JOIN flat.dated AS born
    ON
        observation.patient_key = born.resource_key
        AND born.resource_type = 'Patient'
        AND born.element = 'birth'
WHERE effective.latest_date < born.dated_date
