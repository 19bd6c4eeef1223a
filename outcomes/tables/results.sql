-- Every figure of the latest run.
SELECT
    run_id,
    metric,
    version,
    "group",
    statistic,
    value,
    ci_low,
    ci_high,
    n,
    numerator,
    denominator,
    method,
    note,
    rules
FROM outcomes.metric_result
WHERE run_id = (SELECT max(latest.run_id) FROM outcomes.metric_result AS latest)
ORDER BY
    metric,
    "group",
    statistic
