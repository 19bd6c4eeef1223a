-- Every complication, without a key of the patient or the lesion: for the study team alone.
SELECT
    center_id,
    class,
    scale,
    grade,
    event_concept,
    days_from_session
FROM core.complication
ORDER BY
    class,
    scale,
    grade,
    center_id,
    days_from_session,
    event_concept
