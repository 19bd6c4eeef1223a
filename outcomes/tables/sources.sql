-- When each center was last read completely, and whether its newest sync was complete.
SELECT
    center_id,
    max(CASE WHEN status = 'complete' THEN finished_at END) AS read_at,
    max_by(status, run_id) = 'complete' AS is_complete
FROM ops.center_sync
GROUP BY center_id
ORDER BY center_id
