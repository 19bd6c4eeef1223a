-- table = "flat.site_set"
-- title = "Level sets"
-- grain = "one resource that names at least one spinal site"
-- key = ["resource_type", "resource_key"]
-- needs = ["flat.spine_site"]
-- owner = [
--     "replace(resource_type, 'Component', '')",
--     """CASE WHEN ends_with(resource_type, 'Component') THEN split_part(resource_key, '#', 1) \
--     ELSE resource_key END""",
-- ]
-- reference = "A lesion is one patient and one set of vertebral levels"
-- definition = """
-- The set of levels of a resource as one text, head to foot: 'T8' or 'T8+T9'. Regions follow from the
-- levels; only without a level do region codes count, and 'spine' only when nothing closer is named.
-- """
-- [columns]
-- center_id = "Center that sent the resource."
-- resource_type = "FHIR type of the resource."
-- resource_key = "Key of the resource within its type."
-- level = "Level set joined by '+'; NULL when only a region is named."
-- region = "Region, or regions joined by '+' when the levels cross a border."
WITH level_set AS (
    SELECT
        center_id,
        resource_type,
        resource_key,
        string_agg(level, '+' ORDER BY site_order) AS level
    FROM flat.spine_site
    GROUP BY center_id, resource_type, resource_key
),

closest_region AS (
    SELECT
        spine_site.resource_type,
        spine_site.resource_key,
        spine_site.region,
        min(spine_site.site_order) AS region_order,
        max(CASE WHEN spine_site.region = 'spine' THEN 0 ELSE 1 END)
            OVER (PARTITION BY spine_site.resource_type, spine_site.resource_key) AS has_named_region
    FROM flat.spine_site AS spine_site
    INNER JOIN level_set
        ON
            spine_site.resource_type = level_set.resource_type
            AND spine_site.resource_key = level_set.resource_key
    WHERE spine_site.level IS NOT NULL OR level_set.level IS NULL
    GROUP BY spine_site.resource_type, spine_site.resource_key, spine_site.region
),

region_set AS (
    SELECT
        resource_type,
        resource_key,
        string_agg(region, '+' ORDER BY region_order) AS region
    FROM closest_region
    WHERE region <> 'spine' OR has_named_region = 0
    GROUP BY resource_type, resource_key
)

SELECT
    level_set.center_id,
    level_set.resource_type,
    level_set.resource_key,
    level_set.level,
    region_set.region
FROM level_set
LEFT JOIN region_set
    ON level_set.resource_type = region_set.resource_type AND level_set.resource_key = region_set.resource_key
