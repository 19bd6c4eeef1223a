-- Table 2: lesions by center and category of each characteristic.
WITH characteristic AS (
    SELECT
        center_id,
        1 AS part,
        'Region' AS characteristic,
        coalesce(region, 'not coded') AS category
    FROM core.lesion
    UNION ALL
    SELECT
        center_id,
        2 AS part,
        'Intent' AS characteristic,
        coalesce(intent, 'not coded') AS category
    FROM core.lesion
    UNION ALL
    SELECT
        center_id,
        3 AS part,
        'Cementoplasty' AS characteristic,
        CASE WHEN has_cementoplasty THEN 'yes' ELSE 'no' END AS category
    FROM core.lesion
    UNION ALL
    SELECT
        center_id,
        4 AS part,
        'Sessions of the lesion' AS characteristic,
        CASE WHEN n_sessions >= 2 THEN '2 or more (retreated)' ELSE '1' END AS category
    FROM core.lesion
)

SELECT
    center_id,
    part,
    characteristic,
    category,
    count(*) AS counted
FROM characteristic
GROUP BY
    center_id,
    part,
    characteristic,
    category
