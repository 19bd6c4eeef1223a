-- table = "flat.cemented_lesion"
-- title = "Lesions cemented in the session of their ablation"
-- grain = "one cementoplasty of one lesion treated by one cryoablation"
-- key = ["cementoplasty_key", "procedure_key", "lesion_key"]
-- needs = [
--     "flat.ablation", "flat.treated_level", "flat.procedure", "flat.procedure_reference", "flat.concept",
--     "flat.dated", "flat.spine_site",
--     "flat.survivor",
-- ]
-- owner = ["'Procedure'", "cementoplasty_key"]
-- reference = "Cazzato et al. 2022; bone cement (PMMA 427811002) in Procedure.usedCode or used"
-- definition = """
-- A completed Procedure with a cementoplasty code (or with bone cement as the device used) belongs to a
-- lesion when it is part of the lesion's ablation (or is that Procedure itself): at the levels it names,
-- else in the regions it names, else at all lesions of that ablation. Without such a link it must be the
-- same patient, day and level.
-- """
-- [columns]
-- center_id = "Center that sent the Procedures."
-- cementoplasty_key = "Cementoplasty."
-- procedure_key = "Cryoablation."
-- lesion_key = "Lesion."
-- link = "same_procedure, part_of or same_day_and_level."
WITH cementoplasty AS (
    SELECT DISTINCT
        procedure.procedure_key AS cementoplasty_key,
        coalesce(survivor.survivor_key, procedure.patient_key) AS patient_key,
        performed.dated_date AS performed_date
    FROM flat.procedure AS procedure
    LEFT JOIN flat.survivor AS survivor ON procedure.patient_key = survivor.patient_key
    INNER JOIN flat.concept AS concept
        ON
            procedure.procedure_key = concept.resource_key
            AND concept.resource_type = 'Procedure'
            AND concept.element IN ('code', 'used')
            AND concept.code_set = 'procedure'
            AND concept.concept = 'cementoplasty'
    LEFT JOIN flat.dated AS performed
        ON
            procedure.procedure_key = performed.resource_key
            AND performed.resource_type = 'Procedure'
            AND performed.element = 'performed'
    WHERE procedure.status = 'completed'
),

treated AS (
    SELECT
        treated_level.center_id,
        treated_level.patient_key,
        treated_level.procedure_key,
        treated_level.lesion_key,
        treated_level.site,
        treated_level.region,
        ablation.performed_date
    FROM flat.treated_level AS treated_level
    INNER JOIN flat.ablation AS ablation ON treated_level.procedure_key = ablation.procedure_key
    WHERE ablation.exclusion_step IS NULL
),

named_site AS (
    SELECT
        cementoplasty.cementoplasty_key,
        spine_site.level,
        spine_site.region
    FROM cementoplasty
    INNER JOIN flat.spine_site AS spine_site
        ON
            cementoplasty.cementoplasty_key = spine_site.resource_key
            AND spine_site.resource_type = 'Procedure'
),

closest_site AS (
    SELECT
        cementoplasty_key,
        bool_or(level IS NOT NULL) AS names_level,
        bool_or(level IS NULL AND region <> 'spine') AS names_region
    FROM named_site
    GROUP BY cementoplasty_key
),

linked AS (
    SELECT
        cementoplasty.cementoplasty_key,
        procedure_reference.target_key AS procedure_key,
        'part_of' AS link
    FROM cementoplasty
    INNER JOIN flat.procedure_reference AS procedure_reference
        ON
            cementoplasty.cementoplasty_key = procedure_reference.procedure_key
            AND procedure_reference.element = 'part_of'
    UNION ALL
    SELECT
        cementoplasty_key,
        cementoplasty_key AS procedure_key,
        'same_procedure' AS link
    FROM cementoplasty
),

cemented AS (
    SELECT
        treated.center_id,
        linked.cementoplasty_key,
        treated.procedure_key,
        treated.lesion_key,
        linked.link
    FROM linked
    INNER JOIN treated ON linked.procedure_key = treated.procedure_key
    LEFT JOIN closest_site ON linked.cementoplasty_key = closest_site.cementoplasty_key
    LEFT JOIN named_site
        ON
            linked.cementoplasty_key = named_site.cementoplasty_key
            AND (
                treated.site = named_site.level
                OR (NOT closest_site.names_level AND strpos(treated.region, named_site.region) > 0)
            )
    WHERE
        NOT coalesce(closest_site.names_level OR closest_site.names_region, FALSE)
        OR named_site.cementoplasty_key IS NOT NULL
    UNION ALL
    SELECT
        treated.center_id,
        cementoplasty.cementoplasty_key,
        treated.procedure_key,
        treated.lesion_key,
        'same_day_and_level' AS link
    FROM cementoplasty
    INNER JOIN named_site ON cementoplasty.cementoplasty_key = named_site.cementoplasty_key
    INNER JOIN treated
        ON
            cementoplasty.patient_key = treated.patient_key
            AND cementoplasty.performed_date = treated.performed_date
            AND named_site.level = treated.site
)

SELECT
    center_id,
    cementoplasty_key,
    procedure_key,
    lesion_key,
    min(link) AS link
FROM cemented
GROUP BY center_id, cementoplasty_key, procedure_key, lesion_key
