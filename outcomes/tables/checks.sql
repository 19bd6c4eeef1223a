-- Results of the quality checks of the latest run.
SELECT
    check_name,
    severity,
    status,
    violations,
    denominator,
    message
FROM ops.check_result
WHERE run_id = (SELECT max(latest.run_id) FROM ops.check_result AS latest)
ORDER BY
    CASE severity WHEN 'fatal' THEN 1 WHEN 'convention' THEN 2 ELSE 3 END,
    check_name
