-- table = "flat.dated"
-- title = "Dates as sent, read once"
-- grain = "one date element of one resource"
-- key = ["resource_type", "resource_key", "element"]
-- needs = ["flat.patient", "flat.condition", "flat.procedure", "flat.observation", "flat.adverse_event"]
-- owner = ["resource_type", "resource_key"]
-- reference = "HL7 FHIR date, dateTime and instant: a year, month or day, or an instant with offset"
-- definition = """
-- The calendar day is the one the center wrote (first ten characters): 00:30 at +02:00 stays that day,
-- although it is the day before in UTC. The instant exists only when the text has a time and an offset.
-- Partial dates have no day, only the first and the last day they can mean. Nothing here can fail: what
-- cannot be read is 'invalid'.
-- """
-- [columns]
-- center_id = "Center that sent the resource."
-- resource_type = "FHIR type of the resource."
-- resource_key = "Key of the resource within its type."
-- element = "birth, deceased, onset, recorded, performed (start, else end), effective, occurred and so on."
-- dated_date = "Local calendar day as written; NULL when the precision is less than a day."
-- dated_at = "Instant in UTC; NULL without a time and offset."
-- earliest_date = "First calendar day the text can mean: the day itself, or the start of the month or year."
-- latest_date = "Last calendar day the text can mean: the day itself, or the end of the month or year."
-- dated_precision = "year, month, day, local_time (no offset), instant or invalid."
WITH sent AS (
    SELECT
        center_id,
        'Patient' AS resource_type,
        patient_key AS resource_key,
        'birth' AS element,
        birth_text AS sent_text
    FROM flat.patient
    UNION ALL
    SELECT
        center_id,
        'Patient' AS resource_type,
        patient_key AS resource_key,
        'deceased' AS element,
        deceased_text AS sent_text
    FROM flat.patient
    UNION ALL
    SELECT
        center_id,
        'Condition' AS resource_type,
        condition_key AS resource_key,
        'onset' AS element,
        onset_text AS sent_text
    FROM flat.condition
    UNION ALL
    SELECT
        center_id,
        'Condition' AS resource_type,
        condition_key AS resource_key,
        'recorded' AS element,
        recorded_text AS sent_text
    FROM flat.condition
    UNION ALL
    SELECT
        center_id,
        'Procedure' AS resource_type,
        procedure_key AS resource_key,
        'performed_start' AS element,
        performed_start_text AS sent_text
    FROM flat.procedure
    UNION ALL
    SELECT
        center_id,
        'Procedure' AS resource_type,
        procedure_key AS resource_key,
        'performed' AS element,
        coalesce(performed_start_text, performed_end_text) AS sent_text
    FROM flat.procedure
    UNION ALL
    SELECT
        center_id,
        'Observation' AS resource_type,
        observation_key AS resource_key,
        'effective' AS element,
        effective_text AS sent_text
    FROM flat.observation
    UNION ALL
    SELECT
        center_id,
        'AdverseEvent' AS resource_type,
        adverse_event_key AS resource_key,
        'occurred' AS element,
        occurred_text AS sent_text
    FROM flat.adverse_event
    UNION ALL
    SELECT
        center_id,
        'AdverseEvent' AS resource_type,
        adverse_event_key AS resource_key,
        'detected' AS element,
        detected_text AS sent_text
    FROM flat.adverse_event
    UNION ALL
    SELECT
        center_id,
        'AdverseEvent' AS resource_type,
        adverse_event_key AS resource_key,
        'recorded' AS element,
        recorded_text AS sent_text
    FROM flat.adverse_event
),

-- Hours stop at 23 because a cast rolls 24:00 over to the next day.
read_day AS (
    SELECT
        center_id,
        resource_type,
        resource_key,
        element,
        sent_text,
        CASE
            WHEN regexp_matches(sent_text, '^\d{4}-\d{2}-\d{2}(T.*)?$')
                THEN try_cast(substr(sent_text, 1, 10) AS DATE)
        END AS dated_date,
        CASE
            WHEN
                regexp_matches(
                    sent_text,
                    '^\d{4}-\d{2}-\d{2}T([01]\d|2[0-3]):\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$'
                )
                THEN try_cast(sent_text AS TIMESTAMP WITH TIME ZONE) AT TIME ZONE 'UTC'
        END AS dated_at,
        CASE
            WHEN regexp_matches(sent_text, '^\d{4}$') THEN try_cast(sent_text || '-01-01' AS DATE)
            WHEN regexp_matches(sent_text, '^\d{4}-\d{2}$') THEN try_cast(sent_text || '-01' AS DATE)
        END AS partial_earliest_date,
        CASE
            WHEN regexp_matches(sent_text, '^\d{4}$') THEN try_cast(sent_text || '-12-31' AS DATE)
            WHEN regexp_matches(sent_text, '^\d{4}-\d{2}$')
                THEN last_day(try_cast(sent_text || '-01' AS DATE))
        END AS partial_latest_date
    FROM sent
    WHERE sent_text IS NOT NULL
)

SELECT
    center_id,
    resource_type,
    resource_key,
    element,
    dated_date,
    dated_at,
    coalesce(dated_date, partial_earliest_date) AS earliest_date,
    coalesce(dated_date, partial_latest_date) AS latest_date,
    CASE
        WHEN dated_at IS NOT NULL THEN 'instant'
        WHEN dated_date IS NOT NULL AND length(sent_text) > 10 THEN 'local_time'
        WHEN dated_date IS NOT NULL THEN 'day'
        WHEN partial_latest_date IS NOT NULL AND length(sent_text) = 7 THEN 'month'
        WHEN partial_latest_date IS NOT NULL THEN 'year'
        ELSE 'invalid'
    END AS dated_precision
FROM read_day
