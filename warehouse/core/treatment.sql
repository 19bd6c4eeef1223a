-- table = "core.treatment"
-- title = "Treatments"
-- grain = "one lesion treated in one session"
-- key = ["treatment_key"]
-- needs = ["flat.ablation", "flat.treated_level", "flat.cemented_lesion", "flat.concept"]
-- owner = ["'Patient'", "patient_key"]
-- reference = "Cazzato et al., Eur Radiol 2022;32:4137-4146, doi 10.1007/s00330-021-08477-6"
-- definition = """
-- Completed percutaneous cryoablation of a spinal metastasis in the study window. Several Procedures on one
-- lesion and day (one for each probe, say) are one treatment. Intent is the one coded on the Procedure;
-- curative goes before palliative before supportive when several are coded.
-- """
-- [columns]
-- treatment_key = "Key of the treatment: session key and lesion site."
-- center_id = "Center that treated."
-- patient_key = "Patient."
-- session_key = "Session: patient key and calendar day."
-- lesion_key = "Lesion: patient key and level set."
-- procedure_key = "First Procedure of the treatment."
-- run_id = "Latest run that landed one of its Procedures."
-- treated_date = "Local calendar day."
-- started_at = "Earliest start as an instant in UTC, if the center sends times."
-- level = "Level set; NULL when no level is named."
-- region = "Region of the lesion."
-- intent = "curative, palliative, supportive, or NULL when not coded."
-- has_cementoplasty = "Cement was placed at the lesion in this session."
-- is_first_of_lesion = "First treatment of the lesion; later ones are retreatments."
-- condition_key = "Metastasis Condition of the lesion, if any."
-- body_structure_key = "BodyStructure of the lesion, if any."
-- link = "How the ablation was linked to the metastasis: reason_condition, reason_code or patient_condition."
-- resource_type = "FHIR type of the resource it comes from."
-- resource_key = "First Procedure of the treatment."
WITH treated_lesion AS (
    SELECT
        treated_level.center_id,
        treated_level.patient_key,
        treated_level.procedure_key,
        treated_level.lesion_key,
        treated_level.lesion_site,
        treated_level.level,
        min(treated_level.region) AS region,
        min(treated_level.condition_key) AS condition_key,
        min(treated_level.body_structure_key) AS body_structure_key,
        max(treated_level.link) AS link
    FROM flat.treated_level AS treated_level
    GROUP BY
        treated_level.center_id,
        treated_level.patient_key,
        treated_level.procedure_key,
        treated_level.lesion_key,
        treated_level.lesion_site,
        treated_level.level
),

procedure_intent AS (
    SELECT
        resource_key AS procedure_key,
        concept AS intent
    FROM flat.concept
    WHERE resource_type = 'Procedure' AND element = 'intent' AND code_set = 'intent'
),

cemented AS (
    SELECT DISTINCT
        procedure_key,
        lesion_key
    FROM flat.cemented_lesion
),

ordered_treatment AS (
    SELECT
        treated_lesion.*,
        ablation.run_id,
        ablation.performed_date,
        ablation.started_at,
        procedure_intent.intent,
        cemented.procedure_key IS NOT NULL AS has_cementoplasty,
        row_number() OVER (
            PARTITION BY treated_lesion.lesion_key, ablation.performed_date
            ORDER BY ablation.started_at NULLS LAST, treated_lesion.procedure_key
        ) AS procedure_number
    FROM treated_lesion
    INNER JOIN flat.ablation AS ablation
        ON treated_lesion.procedure_key = ablation.procedure_key AND ablation.exclusion_step IS NULL
    LEFT JOIN procedure_intent ON treated_lesion.procedure_key = procedure_intent.procedure_key
    LEFT JOIN cemented
        ON
            treated_lesion.procedure_key = cemented.procedure_key
            AND treated_lesion.lesion_key = cemented.lesion_key
)

-- The intents sort alphabetically in the order that is wanted: curative, palliative, supportive.
SELECT
    concat(patient_key, '/', performed_date, '/', lesion_site) AS treatment_key,
    center_id,
    patient_key,
    concat(patient_key, '/', performed_date) AS session_key,
    lesion_key,
    max(CASE WHEN procedure_number = 1 THEN procedure_key END) AS procedure_key,
    max(run_id) AS run_id,
    performed_date AS treated_date,
    min(started_at) AS started_at,
    level,
    min(region) AS region,
    min(intent) AS intent,
    bool_or(has_cementoplasty) AS has_cementoplasty,
    performed_date = min(performed_date) OVER (PARTITION BY lesion_key) AS is_first_of_lesion,
    min(condition_key) AS condition_key,
    min(body_structure_key) AS body_structure_key,
    max(link) AS link,
    'Procedure' AS resource_type,
    max(CASE WHEN procedure_number = 1 THEN procedure_key END) AS resource_key
FROM ordered_treatment
GROUP BY center_id, patient_key, lesion_key, lesion_site, performed_date, level
