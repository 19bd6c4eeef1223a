-- check = "date_in_future"
-- title = "A date lies in the future"
-- category = "plausibility"
-- severity = "convention"
-- threshold = 0.0
-- denominator = """
-- SELECT count(*) FROM flat.dated
-- """
-- advice = """
-- It is later than the day after the last sync: a typing error, or a plan that was sent as done. What lies
-- after the data lock is left out anyway; ask the center for the date.
-- """
WITH last_sync AS (
    SELECT max(started_at) AS started_at
    FROM ops.run
    WHERE kind <> 'refresh'
)

SELECT
    dated.center_id,
    dated.resource_key,
    dated.resource_type,
    dated.element AS reason
FROM flat.dated AS dated
CROSS JOIN last_sync
WHERE
    dated.element <> 'performed_start'
    AND date_diff('day', last_sync.started_at, dated.earliest_date) > 1
