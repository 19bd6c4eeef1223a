-- Table 1: patients by center and category of each characteristic.
WITH characteristic AS (
    SELECT
        center_id,
        1 AS part,
        'Sex' AS characteristic,
        coalesce(sex, 'not coded') AS category
    FROM core.patient
    UNION ALL
    SELECT
        center_id,
        2 AS part,
        'Primary tumor' AS characteristic,
        coalesce(primary_concept, 'not coded') AS category
    FROM core.patient
    UNION ALL
    SELECT
        center_id,
        3 AS part,
        'Painful metastasis' AS characteristic,
        CASE WHEN is_painful THEN 'yes' ELSE 'no' END AS category
    FROM core.patient
    UNION ALL
    SELECT
        center_id,
        4 AS part,
        'Lesions treated' AS characteristic,
        CASE WHEN n_lesions >= 3 THEN '3 or more' ELSE cast(n_lesions AS VARCHAR) END AS category
    FROM core.patient
    UNION ALL
    SELECT
        center_id,
        5 AS part,
        'Treatment sessions' AS characteristic,
        CASE WHEN n_sessions >= 3 THEN '3 or more' ELSE cast(n_sessions AS VARCHAR) END AS category
    FROM core.patient
    UNION ALL
    SELECT
        center_id,
        6 AS part,
        'Known to have died' AS characteristic,
        CASE WHEN is_dead THEN 'yes' ELSE 'no' END AS category
    FROM core.patient
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
