-- STROBE flow: what each step kept and excluded, by center; one row for each reason.
SELECT
    center_id,
    step_order,
    step,
    unit,
    kept,
    excluded,
    reason
FROM core.flow
ORDER BY
    step_order,
    center_id,
    reason
