-- check = "center_volume_drop"
-- title = "A center has fewer patients or lesions than in the run before"
-- category = "plausibility"
-- severity = "convention"
-- threshold = 0.0
-- denominator = """
-- SELECT count(DISTINCT "group" || metric) FROM outcomes.metric_result
--     WHERE "group" LIKE 'center=%' AND metric IN ('patients', 'lesions', 'complications')
-- """
-- advice = """
-- More than a tenth is gone since the refresh before. See `cryocohort status` and core.flow for what left and
-- why: deletions, another code, a changed code file or study window.
-- """
-- reference = "Kahn et al. 2016 (doi:10.13063/2327-9214.1244), temporal plausibility"
WITH counted AS (
    SELECT
        "group",
        metric,
        run_id,
        value
    FROM outcomes.metric_result
    WHERE
        "group" LIKE 'center=%'
        AND metric IN ('patients', 'lesions', 'complications')
        AND statistic = 'count'
),

last_run AS (
    SELECT max(run_id) AS run_id
    FROM outcomes.metric_result
),

run_before AS (
    SELECT max(counted.run_id) AS run_id
    FROM counted
    CROSS JOIN last_run
    WHERE counted.run_id < last_run.run_id
)

SELECT
    substr(before."group", 8) AS center_id,
    before.metric,
    before.value AS value_before,
    coalesce(latest.value, 0) AS value_now
FROM counted AS before
INNER JOIN run_before ON before.run_id = run_before.run_id
CROSS JOIN last_run
LEFT JOIN counted AS latest
    ON
        before."group" = latest."group"
        AND before.metric = latest.metric
        AND last_run.run_id = latest.run_id
WHERE coalesce(latest.value, 0) < 0.9 * before.value
