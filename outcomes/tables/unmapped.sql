-- How many codes in use mean no concept of the study, by center.
SELECT
    center_id,
    count(*) AS codes,
    cast(sum(resources) AS BIGINT) AS resources
FROM ops.unmapped
GROUP BY center_id
ORDER BY center_id
