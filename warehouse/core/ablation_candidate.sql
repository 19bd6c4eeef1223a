-- table = "flat.ablation_candidate"
-- title = "Ablations found"
-- grain = "one Procedure with a code of an ablation technique"
-- key = ["procedure_key"]
-- needs = [
--     "flat.procedure", "flat.procedure_coding", "flat.procedure_reference", "flat.condition",
--     "flat.body_structure_reference", "flat.concept", "flat.dated", "flat.site_set", "flat.tumor",
--     "flat.survivor",
-- ]
-- owner = ["'Procedure'", "procedure_key"]
-- reference = "Cazzato et al., Eur Radiol 2022;32:4137-4146; ICD-10-PCS tables 0P5 and 0Q5 (any energy)"
-- definition = """
-- Every Procedure coded as cryoablation, as another ablation technique, or as destruction of a vertebra by
-- an energy the code does not name. The site is spinal when the code says so, when the Procedure or the
-- Condition given as its reason (or a BodyStructure of that Condition) names a level or region of the spine,
-- or when a vertebral destruction code stands on the same Procedure. A reason that is a metastasis of the
-- vertebral column by its code is a spinal site too, unless the Procedure names a body site of its own.
-- """
-- [columns]
-- center_id = "Center that sent the Procedure."
-- procedure_key = "Procedure."
-- patient_key = "Patient; NULL when the reference does not resolve."
-- run_id = "Run that landed this version of the Procedure."
-- status = "Procedure.status."
-- performed_date = "Local calendar day: start, else end; NULL for partial dates."
-- started_at = "Start as an instant in UTC, when the center sent a time with offset."
-- is_cryoablation = "Coded as cryoablation."
-- has_other_technique = "Coded as radiofrequency, laser or another ablation technique."
-- has_spine_site = "The site is a vertebra or a region of the spine."
-- level = "Level set named by the Procedure itself."
-- region = "Region named by the Procedure itself."
WITH technique AS (
    SELECT
        resource_key AS procedure_key,
        bool_or(concept = 'cryoablation') AS is_cryoablation,
        bool_or(concept = 'cryoablation' AND requires = '') AS is_spinal_by_code,
        bool_or(concept = 'vertebral_destruction') AS is_vertebral_destruction,
        bool_or(concept = 'other_ablation') AS has_other_technique
    FROM flat.concept
    WHERE
        resource_type = 'Procedure'
        AND element = 'code'
        AND code_set = 'procedure'
        AND concept IN ('cryoablation', 'vertebral_destruction', 'other_ablation')
    GROUP BY resource_key
),

-- A refuted reason must not supply the site of the Procedure.
reason AS (
    SELECT
        procedure_reference.procedure_key,
        procedure_reference.target_key AS condition_key
    FROM flat.procedure_reference AS procedure_reference
    INNER JOIN flat.condition AS condition ON procedure_reference.target_key = condition.condition_key
    WHERE
        procedure_reference.element = 'reason'
        AND coalesce(condition.verification_status, '') NOT IN ('refuted', 'entered-in-error')
),

reason_site AS (
    SELECT reason.procedure_key
    FROM reason
    INNER JOIN flat.site_set AS site_set
        ON reason.condition_key = site_set.resource_key AND site_set.resource_type = 'Condition'
    UNION DISTINCT
    SELECT reason.procedure_key
    FROM reason
    INNER JOIN flat.body_structure_reference AS body_structure_reference
        ON
            reason.condition_key = body_structure_reference.target_key
            AND body_structure_reference.element = 'condition'
    INNER JOIN flat.site_set AS site_set
        ON
            body_structure_reference.body_structure_key = site_set.resource_key
            AND site_set.resource_type = 'BodyStructure'
    UNION DISTINCT
    SELECT reason.procedure_key
    FROM reason
    INNER JOIN flat.tumor AS tumor ON reason.condition_key = tumor.condition_key
    WHERE
        tumor.is_spinal
        AND NOT EXISTS (
            SELECT 1
            FROM flat.procedure_coding AS own_coding
            WHERE own_coding.procedure_key = reason.procedure_key AND own_coding.element = 'body_site'
        )
)

SELECT
    procedure.center_id,
    procedure.procedure_key,
    coalesce(survivor.survivor_key, procedure.patient_key) AS patient_key,
    procedure.run_id,
    procedure.status,
    performed.dated_date AS performed_date,
    performed_start.dated_at AS started_at,
    technique.is_cryoablation,
    technique.has_other_technique,
    technique.is_spinal_by_code
    OR technique.is_vertebral_destruction
    OR site_set.resource_key IS NOT NULL
    OR reason_site.procedure_key IS NOT NULL AS has_spine_site,
    site_set.level,
    site_set.region
FROM flat.procedure AS procedure
LEFT JOIN flat.survivor AS survivor ON procedure.patient_key = survivor.patient_key
INNER JOIN technique ON procedure.procedure_key = technique.procedure_key
LEFT JOIN flat.dated AS performed_start
    ON
        procedure.procedure_key = performed_start.resource_key
        AND performed_start.resource_type = 'Procedure'
        AND performed_start.element = 'performed_start'
LEFT JOIN flat.dated AS performed
    ON
        procedure.procedure_key = performed.resource_key
        AND performed.resource_type = 'Procedure'
        AND performed.element = 'performed'
LEFT JOIN flat.site_set AS site_set
    ON procedure.procedure_key = site_set.resource_key AND site_set.resource_type = 'Procedure'
LEFT JOIN reason_site ON procedure.procedure_key = reason_site.procedure_key
