-- The figures over all centers of every run, with the day of the run; the newest run last.
SELECT
    metric_result.run_id,
    run.started_at,
    metric_result.metric,
    metric_result.statistic,
    metric_result.value,
    metric_result.ci_low,
    metric_result.ci_high,
    metric_result.n,
    metric_result.numerator,
    metric_result.denominator
FROM outcomes.metric_result AS metric_result
LEFT JOIN ops.run AS run
    ON metric_result.run_id = run.run_id
WHERE
    metric_result."group" = 'all'
    AND metric_result.statistic IN ('count', 'proportion', 'mean_change', 'median')
ORDER BY
    metric_result.run_id,
    metric_result.metric,
    metric_result.statistic
