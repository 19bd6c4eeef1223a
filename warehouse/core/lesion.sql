-- table = "core.lesion"
-- title = "Treated lesions"
-- grain = "one patient and level set"
-- key = ["lesion_key"]
-- needs = ["core.treatment"]
-- owner = ["'Patient'", "patient_key"]
-- reference = "Cazzato et al. 2022; SIO-DATECAN consensus 2021 for per-lesion analysis"
-- definition = """
-- A treated spinal metastasis. Intent and cement are those of its first session; a later session at the same
-- level set is a retreatment, not a new lesion.
-- """
-- [columns]
-- lesion_key = "Key of the lesion: patient key and level set."
-- center_id = "Center that treated."
-- patient_key = "Patient."
-- session_key = "First session of the lesion."
-- level = "Level set, NULL when no level is named."
-- region = "Region of the lesion."
-- first_treated_date = "Local calendar day of the first treatment."
-- intent = "Intent of the first treatment, NULL when not coded."
-- has_cementoplasty = "Cement was placed at the lesion in its first session."
-- n_sessions = "Sessions in which the lesion was treated."
-- condition_key = "Metastasis Condition, if any."
-- body_structure_key = "BodyStructure, if any."
-- run_id = "Latest run that landed one of its Procedures."
-- resource_type = "FHIR type of the resource it comes from."
-- resource_key = "First Procedure that treated it."
WITH retreated AS (
    SELECT
        lesion_key,
        count(*) AS n_sessions,
        max(run_id) AS run_id,
        min(condition_key) AS condition_key,
        min(body_structure_key) AS body_structure_key
    FROM core.treatment
    GROUP BY lesion_key
)

SELECT
    first_treatment.lesion_key,
    first_treatment.center_id,
    first_treatment.patient_key,
    first_treatment.session_key,
    first_treatment.level,
    first_treatment.region,
    first_treatment.treated_date AS first_treated_date,
    first_treatment.intent,
    first_treatment.has_cementoplasty,
    retreated.n_sessions,
    coalesce(first_treatment.condition_key, retreated.condition_key) AS condition_key,
    coalesce(first_treatment.body_structure_key, retreated.body_structure_key) AS body_structure_key,
    retreated.run_id,
    'Procedure' AS resource_type,
    first_treatment.procedure_key AS resource_key
FROM core.treatment AS first_treatment
INNER JOIN retreated ON first_treatment.lesion_key = retreated.lesion_key
WHERE first_treatment.is_first_of_lesion
