-- table = "flat.tumor"
-- title = "Spinal and bone metastases on file"
-- grain = "one site of one metastasis Condition: the Condition itself, or each BodyStructure that locates it"
-- key = ["condition_key", "site_type", "site_key"]
-- needs = [
--     "flat.condition", "flat.condition_coding", "flat.concept", "flat.site_set",
--     "flat.body_structure_reference",
--     "flat.survivor",
-- ]
-- owner = ["'Condition'", "condition_key"]
-- reference = "mCODE 4.0.0 secondary cancer condition and tumor (BodyStructure) profiles"
-- definition = """
-- Conditions with a metastasis concept that are neither refuted nor entered in error. Levels come from the
-- Condition's body site; a Condition without a level of its own takes them from its BodyStructures, and then
-- each BodyStructure is a tumor of its own (one 'bone metastases' Condition may stand for several tumors).
-- """
-- [columns]
-- center_id = "Center that sent the Condition."
-- patient_key = "Patient."
-- condition_key = "Metastasis Condition."
-- body_structure_key = "BodyStructure of the tumor, if any."
-- site_type = "Resource the site was read from: Condition or BodyStructure."
-- site_key = "Key of that resource."
-- level = "Level set, NULL when none is named."
-- region = "Region, NULL when none is named."
-- is_spinal = "Spinal by its code, or by a spinal site."
-- has_body_site = "The Condition or its BodyStructure names a body site, spinal or not."
WITH metastasis AS (
    SELECT
        condition.center_id,
        coalesce(survivor.survivor_key, condition.patient_key) AS patient_key,
        condition.condition_key,
        bool_or(concept.requires = '') AS is_spinal_by_code
    FROM flat.condition AS condition
    LEFT JOIN flat.survivor AS survivor ON condition.patient_key = survivor.patient_key
    INNER JOIN flat.concept AS concept
        ON
            condition.condition_key = concept.resource_key
            AND concept.resource_type = 'Condition'
            AND concept.element = 'code'
            AND concept.code_set = 'metastasis'
    WHERE coalesce(condition.verification_status, '') NOT IN ('refuted', 'entered-in-error')
    GROUP BY condition.center_id, condition.patient_key, survivor.survivor_key, condition.condition_key
),

coded_site AS (
    SELECT DISTINCT condition_key
    FROM flat.condition_coding
    WHERE element = 'body_site'
),

own_site AS (
    SELECT
        metastasis.center_id,
        metastasis.patient_key,
        metastasis.condition_key,
        metastasis.is_spinal_by_code,
        site_set.level,
        site_set.region,
        coded_site.condition_key IS NOT NULL AS has_body_site
    FROM metastasis
    LEFT JOIN flat.site_set AS site_set
        ON metastasis.condition_key = site_set.resource_key AND site_set.resource_type = 'Condition'
    LEFT JOIN coded_site ON metastasis.condition_key = coded_site.condition_key
),

located AS (
    SELECT
        body_structure_reference.target_key AS condition_key,
        body_structure_reference.body_structure_key,
        site_set.level,
        site_set.region
    FROM flat.body_structure_reference AS body_structure_reference
    LEFT JOIN flat.site_set AS site_set
        ON
            body_structure_reference.body_structure_key = site_set.resource_key
            AND site_set.resource_type = 'BodyStructure'
    WHERE body_structure_reference.element = 'condition' AND body_structure_reference.target_key IS NOT NULL
),

located_condition AS (
    SELECT
        condition_key,
        min(body_structure_key) AS body_structure_key,
        bool_or(level IS NOT NULL) AS has_level,
        min(region) AS region
    FROM located
    GROUP BY condition_key
)

SELECT
    own_site.center_id,
    own_site.patient_key,
    own_site.condition_key,
    located_condition.body_structure_key,
    'Condition' AS site_type,
    own_site.condition_key AS site_key,
    own_site.level,
    coalesce(own_site.region, located_condition.region) AS region,
    own_site.is_spinal_by_code
    OR own_site.region IS NOT NULL
    OR located_condition.region IS NOT NULL AS is_spinal,
    own_site.has_body_site OR located_condition.condition_key IS NOT NULL AS has_body_site
FROM own_site
LEFT JOIN located_condition ON own_site.condition_key = located_condition.condition_key
WHERE own_site.level IS NOT NULL OR NOT coalesce(located_condition.has_level, FALSE)
UNION ALL
SELECT DISTINCT
    own_site.center_id,
    own_site.patient_key,
    own_site.condition_key,
    located.body_structure_key,
    'BodyStructure' AS site_type,
    located.body_structure_key AS site_key,
    located.level,
    located.region,
    TRUE AS is_spinal,
    TRUE AS has_body_site
FROM own_site
INNER JOIN located ON own_site.condition_key = located.condition_key
WHERE own_site.level IS NULL AND located.level IS NOT NULL
