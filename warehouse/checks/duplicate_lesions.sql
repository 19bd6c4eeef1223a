-- check = "duplicate_lesions"
-- title = "Two lesions of a patient may be one"
-- category = "plausibility"
-- severity = "convention"
-- threshold = 0.05
-- denominator = """
-- SELECT count(*) FROM core.lesion
-- """
-- advice = """
-- They share a vertebral level, or one is known by its region only and the other lies in that region. The
-- lesions would be counted twice; map the center's sites, or ask for the levels.
-- """
WITH lesion_site AS (
    SELECT DISTINCT
        treated_level.lesion_key,
        treated_level.site
    FROM flat.treated_level AS treated_level
    INNER JOIN core.lesion AS lesion ON treated_level.lesion_key = lesion.lesion_key
    WHERE treated_level.level IS NOT NULL
)

SELECT DISTINCT
    lesion.center_id,
    lesion.lesion_key,
    CASE
        WHEN lesion.level IS NULL THEN 'region of another lesion'
        ELSE 'level of another lesion'
    END AS reason
FROM core.lesion AS lesion
INNER JOIN core.lesion AS other
    ON lesion.patient_key = other.patient_key AND lesion.lesion_key <> other.lesion_key
LEFT JOIN lesion_site AS own_site ON lesion.lesion_key = own_site.lesion_key
LEFT JOIN lesion_site AS other_site
    ON other.lesion_key = other_site.lesion_key AND own_site.site = other_site.site
WHERE
    (other_site.site IS NOT NULL AND lesion.lesion_key > other.lesion_key)
    OR (lesion.level IS NULL AND lesion.region = other.region AND other.level IS NOT NULL)
