-- check = "date_order"
-- title = "Two dates of one resource stand in an impossible order"
-- category = "plausibility"
-- severity = "convention"
-- threshold = 0.0
-- denominator = """
-- SELECT (SELECT count(*) FROM flat.condition) + (SELECT count(*) FROM flat.procedure)
--     + (SELECT count(*) FROM flat.observation) + (SELECT count(*) FROM flat.adverse_event)
-- """
-- advice = """
-- A Procedure ends before it starts, an Observation is issued before it was made, a Condition is recorded or
-- an event detected before it began. Whole days are compared; partial dates count only where no day they can
-- mean is in order. Ask the center which of the two is wrong.
-- """
WITH resource_date AS (
    SELECT
        center_id,
        resource_type,
        resource_key,
        element,
        earliest_date,
        latest_date
    FROM flat.dated
    UNION ALL
    SELECT
        center_id,
        'Procedure' AS resource_type,
        procedure_key AS resource_key,
        'performed_end' AS element,
        try_cast(substr(performed_end_text, 1, 10) AS DATE) AS earliest_date,
        try_cast(substr(performed_end_text, 1, 10) AS DATE) AS latest_date
    FROM flat.procedure
    UNION ALL
    -- An instant has an offset of its own: a day of tolerance.
    SELECT
        center_id,
        'Observation' AS resource_type,
        observation_key AS resource_key,
        'issued' AS element,
        try_cast(substr(issued_text, 1, 10) AS DATE) AS earliest_date,
        try_cast(substr(issued_text, 1, 10) AS DATE) + 1 AS latest_date
    FROM flat.observation
),

date_rule (resource_type, first_element, then_element) AS (
    VALUES
    ('Procedure', 'performed_start', 'performed_end'),
    ('Observation', 'effective', 'issued'),
    ('Condition', 'onset', 'recorded'),
    ('AdverseEvent', 'occurred', 'detected'),
    ('AdverseEvent', 'occurred', 'recorded')
)

SELECT DISTINCT
    began.center_id,
    began.resource_key,
    began.resource_type
FROM date_rule
INNER JOIN resource_date AS began
    ON
        date_rule.resource_type = began.resource_type
        AND date_rule.first_element = began.element
INNER JOIN resource_date AS followed
    ON
        date_rule.resource_type = followed.resource_type
        AND date_rule.then_element = followed.element
        AND began.resource_key = followed.resource_key
WHERE followed.latest_date < began.earliest_date
