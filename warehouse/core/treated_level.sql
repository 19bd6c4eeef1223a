-- table = "flat.treated_level"
-- title = "Levels treated by each cryoablation"
-- grain = "one level (or, without a level, one site) of one lesion treated by one Procedure"
-- key = ["procedure_key", "lesion_key", "site"]
-- needs = [
--     "flat.ablation_candidate", "flat.procedure_reference", "flat.concept", "flat.spine_site",
--     "flat.tumor",
-- ]
-- owner = ["'Procedure'", "procedure_key"]
-- reference = "Lesion = patient and level set, keyed by tumor, then reason reference, then body site"
-- definition = """
-- Links completed spinal cryoablations to confirmed metastases, strongest link first.
-- (1) reason_condition: each metastasis Condition (or BodyStructure of it) given as a reason is a lesion.
-- When one Condition stands for several tumors, only those at the levels the Procedure names are treated.
-- (2) Levels the Procedure names beyond those are lesions of their own when a metastasis of the patient is
-- on file at that level (patient_condition), or when a metastasis without a level is the reason
-- (reason_condition), or, for Procedures without a metastasis Condition as reason, when the reason is coded
-- as a metastasis (reason_code) or the patient has a metastasis on file whose level is not told and whose
-- region fits (patient_condition).
-- (3) Without any level, the lesion is keyed by its reason Condition, else by its region. A level that
-- belongs to the level set of a metastasis on file stands for that whole lesion. A bone metastasis without
-- any body site is spinal by the vertebral procedure it is treated with.
-- """
-- [columns]
-- center_id = "Center that sent the Procedure."
-- patient_key = "Patient."
-- procedure_key = "Cryoablation."
-- lesion_key = "Lesion: patient key and lesion site."
-- lesion_site = "Level set; without a level the reason Condition's key or the region."
-- site = "One level of the set; without a level the lesion site."
-- level = "Level set, NULL when no level is named."
-- region = "Region or regions of the lesion, NULL when only the code says spine."
-- condition_key = "Metastasis Condition of the lesion, if any."
-- body_structure_key = "BodyStructure of the lesion, if any."
-- link = "reason_condition, reason_code or patient_condition."
WITH spinal_cryoablation AS (
    SELECT
        center_id,
        patient_key,
        procedure_key,
        level,
        region
    FROM flat.ablation_candidate
    WHERE status = 'completed' AND is_cryoablation AND has_spine_site AND patient_key IS NOT NULL
),

procedure_level AS (
    SELECT
        spinal_cryoablation.center_id,
        spinal_cryoablation.patient_key,
        spinal_cryoablation.procedure_key,
        spine_site.level,
        spine_site.region
    FROM spinal_cryoablation
    INNER JOIN flat.spine_site AS spine_site
        ON
            spinal_cryoablation.procedure_key = spine_site.resource_key
            AND spine_site.resource_type = 'Procedure'
    WHERE spine_site.level IS NOT NULL
),

tumor_level AS (
    SELECT
        tumor.patient_key,
        tumor.condition_key,
        tumor.site_type,
        tumor.site_key,
        tumor.body_structure_key,
        tumor.level AS level_set,
        tumor.region AS region_set,
        spine_site.level
    FROM flat.tumor AS tumor
    INNER JOIN flat.spine_site AS spine_site
        ON tumor.site_type = spine_site.resource_type AND tumor.site_key = spine_site.resource_key
    WHERE spine_site.level IS NOT NULL
),

reason_tumor AS (
    SELECT
        spinal_cryoablation.procedure_key,
        spinal_cryoablation.region AS procedure_region,
        spinal_cryoablation.level AS procedure_level_set,
        tumor.*
    FROM spinal_cryoablation
    INNER JOIN flat.procedure_reference AS procedure_reference
        ON
            spinal_cryoablation.procedure_key = procedure_reference.procedure_key
            AND procedure_reference.element = 'reason'
    INNER JOIN flat.tumor AS tumor
        ON
            procedure_reference.target_key = tumor.condition_key
            AND spinal_cryoablation.patient_key = tumor.patient_key
    WHERE tumor.is_spinal OR NOT tumor.has_body_site
),

tumors_per_reason AS (
    SELECT
        procedure_key,
        condition_key,
        count(*) AS tumors
    FROM reason_tumor
    GROUP BY procedure_key, condition_key
),

-- The tumors named as reason that lie, wholly or in part, at a level which the procedure treated.
treated_reason AS (
    SELECT DISTINCT
        reason_tumor.procedure_key,
        reason_tumor.condition_key,
        reason_tumor.site_key
    FROM reason_tumor
    INNER JOIN tumor_level
        ON
            reason_tumor.condition_key = tumor_level.condition_key
            AND reason_tumor.site_key = tumor_level.site_key
    INNER JOIN procedure_level
        ON
            reason_tumor.procedure_key = procedure_level.procedure_key
            AND tumor_level.level = procedure_level.level
),

reason_lesion AS (
    SELECT DISTINCT
        reason_tumor.center_id,
        reason_tumor.patient_key,
        reason_tumor.procedure_key,
        tumor_level.level AS site,
        tumor_level.level_set,
        tumor_level.region_set,
        reason_tumor.condition_key,
        reason_tumor.body_structure_key
    FROM reason_tumor
    INNER JOIN tumors_per_reason
        ON
            reason_tumor.procedure_key = tumors_per_reason.procedure_key
            AND reason_tumor.condition_key = tumors_per_reason.condition_key
    INNER JOIN tumor_level
        ON
            reason_tumor.condition_key = tumor_level.condition_key
            AND reason_tumor.site_type = tumor_level.site_type
            AND reason_tumor.site_key = tumor_level.site_key
    LEFT JOIN treated_reason
        ON
            reason_tumor.procedure_key = treated_reason.procedure_key
            AND reason_tumor.condition_key = treated_reason.condition_key
            AND reason_tumor.site_key = treated_reason.site_key
    WHERE
        tumors_per_reason.tumors = 1
        OR reason_tumor.procedure_level_set IS NULL
        OR treated_reason.procedure_key IS NOT NULL
),

unlocated_reason AS (
    SELECT
        procedure_key,
        min(condition_key) AS condition_key
    FROM reason_tumor
    WHERE level IS NULL
    GROUP BY procedure_key
),

reason_code AS (
    SELECT DISTINCT resource_key AS procedure_key
    FROM flat.concept
    WHERE resource_type = 'Procedure' AND element = 'reason' AND code_set = 'metastasis'
),

reason_reference AS (
    SELECT DISTINCT procedure_key
    FROM reason_tumor
),

uncovered_level AS (
    SELECT procedure_level.*
    FROM procedure_level
    LEFT JOIN reason_lesion
        ON
            procedure_level.procedure_key = reason_lesion.procedure_key
            AND procedure_level.level = reason_lesion.site
    WHERE reason_lesion.procedure_key IS NULL
),

tumor_at_level AS (
    SELECT
        uncovered_level.procedure_key,
        uncovered_level.level,
        tumor_level.level_set,
        tumor_level.region_set,
        tumor_level.condition_key,
        tumor_level.body_structure_key,
        row_number() OVER (
            PARTITION BY uncovered_level.procedure_key, uncovered_level.level
            ORDER BY length(tumor_level.level_set), tumor_level.condition_key, tumor_level.site_key
        ) AS choice
    FROM uncovered_level
    INNER JOIN tumor_level
        ON
            uncovered_level.patient_key = tumor_level.patient_key
            AND uncovered_level.level = tumor_level.level
),

-- A metastasis without a level fits every level of its region, or every level when it names no region.
compatible_tumor AS (
    SELECT
        uncovered_level.procedure_key,
        uncovered_level.level,
        min(tumor.condition_key) AS condition_key
    FROM uncovered_level
    INNER JOIN flat.tumor AS tumor ON uncovered_level.patient_key = tumor.patient_key
    WHERE
        tumor.level IS NULL
        AND (tumor.is_spinal OR NOT tumor.has_body_site)
        AND (
            tumor.region IS NULL OR tumor.region = 'spine' OR strpos(tumor.region, uncovered_level.region) > 0
        )
    GROUP BY uncovered_level.procedure_key, uncovered_level.level
),

site_lesion AS (
    SELECT
        uncovered_level.center_id,
        uncovered_level.patient_key,
        uncovered_level.procedure_key,
        uncovered_level.level AS procedure_level,
        coalesce(tumor_at_level.level_set, uncovered_level.level) AS level_set,
        coalesce(tumor_at_level.region_set, uncovered_level.region) AS region_set,
        coalesce(
            tumor_at_level.condition_key, unlocated_reason.condition_key, compatible_tumor.condition_key
        ) AS condition_key,
        tumor_at_level.body_structure_key,
        CASE
            WHEN unlocated_reason.procedure_key IS NOT NULL THEN 'reason_condition'
            WHEN
                reason_reference.procedure_key IS NULL AND reason_code.procedure_key IS NOT NULL
                THEN 'reason_code'
            WHEN tumor_at_level.procedure_key IS NOT NULL THEN 'patient_condition'
            WHEN reason_reference.procedure_key IS NULL AND compatible_tumor.procedure_key IS NOT NULL
                THEN 'patient_condition'
        END AS link
    FROM uncovered_level
    LEFT JOIN tumor_at_level
        ON
            uncovered_level.procedure_key = tumor_at_level.procedure_key
            AND uncovered_level.level = tumor_at_level.level
            AND tumor_at_level.choice = 1
    LEFT JOIN unlocated_reason ON uncovered_level.procedure_key = unlocated_reason.procedure_key
    LEFT JOIN reason_code ON uncovered_level.procedure_key = reason_code.procedure_key
    LEFT JOIN reason_reference ON uncovered_level.procedure_key = reason_reference.procedure_key
    LEFT JOIN compatible_tumor
        ON
            uncovered_level.procedure_key = compatible_tumor.procedure_key
            AND uncovered_level.level = compatible_tumor.level
),

-- The other levels of a level set come with the level the Procedure named.
site_lesion_level AS (
    SELECT
        site_lesion.center_id,
        site_lesion.patient_key,
        site_lesion.procedure_key,
        coalesce(tumor_level.level, site_lesion.procedure_level) AS site,
        site_lesion.level_set,
        site_lesion.region_set,
        site_lesion.condition_key,
        site_lesion.body_structure_key,
        site_lesion.link
    FROM site_lesion
    LEFT JOIN tumor_level
        ON
            site_lesion.condition_key = tumor_level.condition_key
            AND site_lesion.level_set = tumor_level.level_set
    WHERE site_lesion.link IS NOT NULL
),

unlocated_procedure AS (
    SELECT spinal_cryoablation.*
    FROM spinal_cryoablation
    LEFT JOIN reason_lesion ON spinal_cryoablation.procedure_key = reason_lesion.procedure_key
    WHERE spinal_cryoablation.level IS NULL AND reason_lesion.procedure_key IS NULL
),

unlocated_reason_lesion AS (
    SELECT
        unlocated_procedure.center_id,
        unlocated_procedure.patient_key,
        unlocated_procedure.procedure_key,
        reason_tumor.condition_key AS lesion_site,
        coalesce(reason_tumor.region, unlocated_procedure.region) AS region_set,
        reason_tumor.condition_key,
        reason_tumor.body_structure_key,
        'reason_condition' AS link
    FROM unlocated_procedure
    INNER JOIN reason_tumor ON unlocated_procedure.procedure_key = reason_tumor.procedure_key
),

unlocated_region_lesion AS (
    SELECT
        unlocated_procedure.center_id,
        unlocated_procedure.patient_key,
        unlocated_procedure.procedure_key,
        coalesce(unlocated_procedure.region, 'spine') AS lesion_site,
        unlocated_procedure.region AS region_set,
        min(tumor.condition_key) AS condition_key,
        cast(NULL AS VARCHAR) AS body_structure_key,
        CASE WHEN reason_code.procedure_key IS NOT NULL THEN 'reason_code' ELSE 'patient_condition' END
            AS link
    FROM unlocated_procedure
    LEFT JOIN unlocated_reason ON unlocated_procedure.procedure_key = unlocated_reason.procedure_key
    LEFT JOIN reason_code ON unlocated_procedure.procedure_key = reason_code.procedure_key
    LEFT JOIN flat.tumor AS tumor
        ON
            unlocated_procedure.patient_key = tumor.patient_key
            AND (tumor.is_spinal OR NOT tumor.has_body_site)
            AND (
                tumor.region IS NULL
                OR tumor.region = 'spine'
                OR coalesce(unlocated_procedure.region, 'spine') = 'spine'
                OR strpos(tumor.region, unlocated_procedure.region) > 0
            )
    WHERE
        unlocated_reason.procedure_key IS NULL
        AND (reason_code.procedure_key IS NOT NULL OR tumor.condition_key IS NOT NULL)
    GROUP BY
        unlocated_procedure.center_id,
        unlocated_procedure.patient_key,
        unlocated_procedure.procedure_key,
        unlocated_procedure.region,
        reason_code.procedure_key
),

confirmed AS (
    SELECT
        center_id,
        patient_key,
        procedure_key,
        level_set AS lesion_site,
        site,
        level_set,
        region_set,
        condition_key,
        body_structure_key,
        'reason_condition' AS link
    FROM reason_lesion
    UNION ALL
    SELECT
        center_id,
        patient_key,
        procedure_key,
        level_set AS lesion_site,
        site,
        level_set,
        region_set,
        condition_key,
        body_structure_key,
        link
    FROM site_lesion_level
    UNION ALL
    SELECT
        center_id,
        patient_key,
        procedure_key,
        lesion_site,
        lesion_site AS site,
        cast(NULL AS VARCHAR) AS level_set,
        region_set,
        condition_key,
        body_structure_key,
        link
    FROM unlocated_reason_lesion
    UNION ALL
    SELECT
        center_id,
        patient_key,
        procedure_key,
        lesion_site,
        lesion_site AS site,
        cast(NULL AS VARCHAR) AS level_set,
        region_set,
        condition_key,
        body_structure_key,
        link
    FROM unlocated_region_lesion
)

-- The links sort alphabetically from weak to strong, so the largest is the strongest.
SELECT
    center_id,
    patient_key,
    procedure_key,
    concat(patient_key, '/', lesion_site) AS lesion_key,
    lesion_site,
    site,
    level_set AS level,
    region_set AS region,
    min(condition_key) AS condition_key,
    min(body_structure_key) AS body_structure_key,
    max(link) AS link
FROM confirmed
GROUP BY center_id, patient_key, procedure_key, lesion_site, site, level_set, region_set
