-- table = "flat.cohort"
-- title = "Cohort patients and their end of observation"
-- grain = "one patient with at least one treatment"
-- key = ["patient_key"]
-- needs = ["core.session", "core.rule", "flat.patient", "flat.dated"]
-- owner = ["'Patient'", "patient_key"]
-- reference = "Index = first completed cryoablation of a spinal metastasis in the study window"
-- definition = """
-- What the scores, assessments and complications of a patient are judged against. A death after the data
-- lock has not happened yet as far as the study is concerned. A partial date of death gives no death date,
-- but nothing can be observed after the last day it can mean.
-- """
-- [columns]
-- patient_key = "Patient."
-- center_id = "Center that treated."
-- run_id = "Run that landed the Patient; NULL when the Patient itself has not been received."
-- index_session_key = "First session."
-- index_date = "Local calendar day of the first session."
-- index_started_at = "Start of the first session as an instant in UTC, if known."
-- sex = "Patient.gender; unknown for any code outside the FHIR value set."
-- birth_date = "Birth date; NULL when partial."
-- is_dead = "Dead at the data lock."
-- death_date = "Day of death; NULL when not told or partial."
-- observed_until = "Last day on which an observation can be true: the day of death, else the data lock."
WITH deceased AS (
    SELECT
        patient.patient_key,
        patient.run_id,
        CASE
            WHEN patient.gender IN ('female', 'male', 'other') THEN patient.gender
            WHEN patient.gender IS NOT NULL THEN 'unknown'
        END AS sex,
        born.dated_date AS birth_date,
        died.dated_date AS death_date,
        died.latest_date AS latest_death_date,
        coalesce(patient.is_deceased, FALSE) OR died.resource_key IS NOT NULL AS is_deceased
    FROM flat.patient AS patient
    LEFT JOIN flat.dated AS born
        ON
            patient.patient_key = born.resource_key
            AND born.resource_type = 'Patient'
            AND born.element = 'birth'
    LEFT JOIN flat.dated AS died
        ON
            patient.patient_key = died.resource_key
            AND died.resource_type = 'Patient'
            AND died.element = 'deceased'
)

SELECT
    index_session.patient_key,
    index_session.center_id,
    deceased.run_id,
    index_session.session_key AS index_session_key,
    index_session.session_date AS index_date,
    index_session.started_at AS index_started_at,
    deceased.sex,
    deceased.birth_date,
    coalesce(deceased.is_deceased, FALSE)
    AND coalesce(deceased.latest_death_date, study_rule.data_lock) <= study_rule.data_lock AS is_dead,
    CASE WHEN deceased.death_date <= study_rule.data_lock THEN deceased.death_date END AS death_date,
    least(coalesce(deceased.latest_death_date, study_rule.data_lock), study_rule.data_lock) AS observed_until
FROM core.session AS index_session
CROSS JOIN core.rule AS study_rule
LEFT JOIN deceased ON index_session.patient_key = deceased.patient_key
WHERE index_session.is_index
