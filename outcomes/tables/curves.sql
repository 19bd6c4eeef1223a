-- Every curve of the latest run, in order of time.
SELECT
    run_id,
    metric,
    version,
    "group",
    curve,
    months,
    estimate,
    ci_low,
    ci_high,
    at_risk,
    events,
    competing,
    censored
FROM outcomes.curve_result
ORDER BY
    metric ASC,
    "group" ASC,
    curve ASC,
    months ASC,
    at_risk DESC
