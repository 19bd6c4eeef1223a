-- table = "flat.ablation"
-- title = "Ablations and why each is in the cohort or not"
-- grain = "one Procedure with a code of an ablation technique"
-- key = ["procedure_key"]
-- needs = [
--     "flat.ablation_candidate", "flat.treated_level", "flat.procedure_reference", "flat.concept",
--     "flat.dated", "core.rule",
-- ]
-- owner = ["'Procedure'", "procedure_key"]
-- reference = "STROBE statement, item 13: numbers at each stage and reasons for exclusion"
-- definition = """
-- The first step of the flow that a Procedure fails, and its reason. Steps: 1 found, 2 completed, 3
-- cryoablation, 4 vertebral site, 5 metastasis confirmed, 6 in the study window (both ends inclusive) and not
-- after death, since one of the two dates must be wrong then. A status outside the FHIR value set is 'other'.
-- """
-- [columns]
-- center_id = "Center that sent the Procedure."
-- procedure_key = "Procedure."
-- patient_key = "Patient; NULL when the reference does not resolve."
-- run_id = "Run that landed this version of the Procedure."
-- performed_date = "Local calendar day."
-- started_at = "Start as an instant in UTC, if known."
-- exclusion_step = "Step that failed; NULL when the Procedure is a treatment of the cohort."
-- exclusion_reason = "Why; NULL when the Procedure is a treatment of the cohort."
WITH confirmed AS (
    SELECT
        procedure_key,
        bool_or(link = 'reason_condition') AS has_metastasis_as_reason
    FROM flat.treated_level
    GROUP BY procedure_key
),

primary_bone_tumor AS (
    SELECT DISTINCT procedure_reference.procedure_key
    FROM flat.procedure_reference AS procedure_reference
    INNER JOIN flat.concept AS concept
        ON
            procedure_reference.target_key = concept.resource_key
            AND concept.resource_type = 'Condition'
            AND concept.code_set = 'primary_bone_tumor'
    WHERE procedure_reference.element = 'reason'
),

judged AS (
    SELECT
        ablation_candidate.*,
        CASE
            WHEN ablation_candidate.status IS NULL THEN 'status missing'
            WHEN
                ablation_candidate.status NOT IN (
                    'preparation', 'in-progress', 'not-done', 'on-hold', 'stopped', 'completed',
                    'entered-in-error', 'unknown'
                )
                THEN 'status other'
            WHEN ablation_candidate.status <> 'completed' THEN 'status ' || ablation_candidate.status
        END AS status_reason,
        CASE
            WHEN ablation_candidate.is_cryoablation THEN NULL
            WHEN ablation_candidate.has_other_technique THEN 'other ablation technique'
            ELSE 'code does not name the energy'
        END AS technique_reason,
        CASE
            WHEN NOT ablation_candidate.has_spine_site THEN 'body site is not a vertebra'
        END AS site_reason,
        CASE
            WHEN ablation_candidate.patient_key IS NULL THEN 'patient reference does not resolve'
            WHEN confirmed.has_metastasis_as_reason THEN NULL
            WHEN primary_bone_tumor.procedure_key IS NOT NULL THEN 'primary bone tumor'
            WHEN confirmed.procedure_key IS NULL THEN 'no metastasis at this site'
        END AS metastasis_reason,
        CASE
            WHEN ablation_candidate.performed_date IS NULL THEN 'no full date'
            WHEN ablation_candidate.performed_date < study_rule.study_start THEN 'before the study window'
            WHEN ablation_candidate.performed_date > study_rule.study_end THEN 'after the study window'
            WHEN ablation_candidate.performed_date > study_rule.data_lock THEN 'after the data lock'
            WHEN ablation_candidate.performed_date > died.latest_date THEN 'after death'
        END AS window_reason
    FROM flat.ablation_candidate AS ablation_candidate
    CROSS JOIN core.rule AS study_rule
    LEFT JOIN flat.dated AS died
        ON
            ablation_candidate.patient_key = died.resource_key
            AND died.resource_type = 'Patient'
            AND died.element = 'deceased'
    LEFT JOIN confirmed ON ablation_candidate.procedure_key = confirmed.procedure_key
    LEFT JOIN primary_bone_tumor ON ablation_candidate.procedure_key = primary_bone_tumor.procedure_key
)

SELECT
    center_id,
    procedure_key,
    patient_key,
    run_id,
    performed_date,
    started_at,
    CASE
        WHEN status_reason IS NOT NULL THEN 2
        WHEN technique_reason IS NOT NULL THEN 3
        WHEN site_reason IS NOT NULL THEN 4
        WHEN metastasis_reason IS NOT NULL THEN 5
        WHEN window_reason IS NOT NULL THEN 6
    END AS exclusion_step,
    coalesce(status_reason, technique_reason, site_reason, metastasis_reason, window_reason)
        AS exclusion_reason
FROM judged
