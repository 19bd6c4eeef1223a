-- table = "flat.spine_site"
-- title = "Spinal sites"
-- grain = "one vertebral level or spinal region that one resource names"
-- key = ["resource_type", "resource_key", "site"]
-- needs = ["flat.concept"]
-- owner = [
--     "replace(resource_type, 'Component', '')",
--     """CASE WHEN ends_with(resource_type, 'Component') THEN split_part(resource_key, '#', 1) \
--     ELSE resource_key END""",
-- ]
-- reference = "SNOMED CT vertebral levels as in mCODE's TG-263 map; mappings/codes"
-- definition = """
-- Levels and regions of the body site (or BodyStructure location), and those a code itself implies, such as
-- an ICD-10-PCS code for the thoracic vertebra.
-- """
-- [columns]
-- center_id = "Center that sent the resource."
-- resource_type = "FHIR type of the resource."
-- resource_key = "Key of the resource within its type."
-- site = "Level or region: T8, thoracic, spine."
-- level = "Vertebral level C1 to S5; NULL when only a region is named."
-- region = "cervical, thoracic, lumbar, sacral, or spine when no region is named."
-- site_order = "Order from the head down; regions without a level after their levels."
SELECT DISTINCT
    center_id,
    resource_type,
    resource_key,
    concept AS site,
    CASE WHEN code_set = 'level' THEN concept END AS level,
    CASE
        WHEN code_set = 'region' THEN concept
        WHEN concept LIKE 'C%' THEN 'cervical'
        WHEN concept LIKE 'T%' THEN 'thoracic'
        WHEN concept LIKE 'L%' THEN 'lumbar'
        ELSE 'sacral'
    END AS region,
    CASE
        WHEN code_set = 'level'
            THEN
                100 * strpos('CTLS', substr(concept, 1, 1))
                + try_cast(substr(concept, 2) AS INTEGER)
        WHEN concept = 'cervical' THEN 199
        WHEN concept = 'thoracic' THEN 299
        WHEN concept = 'lumbar' THEN 399
        WHEN concept = 'sacral' THEN 499
        ELSE 999
    END AS site_order
FROM flat.concept
WHERE code_set IN ('level', 'region') AND element IN ('code', 'body_site', 'location')
