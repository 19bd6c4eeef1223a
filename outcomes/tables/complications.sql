-- Complications by center, class and the scale and grade the class comes from.
SELECT
    center_id,
    coalesce(class, 'not classed') AS class,
    coalesce(scale, 'no scale') AS scale,
    coalesce(cast(grade AS VARCHAR), 'not graded') AS grade,
    count(*) AS counted
FROM core.complication
GROUP BY
    center_id,
    class,
    scale,
    grade
ORDER BY
    class,
    scale,
    grade,
    center_id
