-- table = "core.session"
-- title = "Treatment sessions"
-- grain = "one patient and calendar day with at least one treatment"
-- key = ["session_key"]
-- needs = ["core.treatment", "flat.treated_level"]
-- owner = ["'Patient'", "patient_key"]
-- reference = "Session = patient and local calendar day"
-- definition = """
-- All treatments of a patient on one local calendar day. The first session of a patient is the index
-- session.
-- """
-- [columns]
-- session_key = "Key of the session: patient key and calendar day."
-- center_id = "Center that treated."
-- patient_key = "Patient."
-- session_date = "Local calendar day."
-- started_at = "Earliest start as an instant in UTC, if the center sends times."
-- session_number = "1 for the patient's first session."
-- is_index = "First session of the patient: its day is the index date."
-- n_lesions = "Lesions treated."
-- n_levels = "Vertebral levels treated."
-- has_cementoplasty = "Cement was placed at one of the lesions."
-- run_id = "Latest run that landed one of its Procedures."
-- resource_type = "FHIR type of the resource it comes from."
-- resource_key = "First Procedure of the session."
WITH treated AS (
    SELECT
        treatment.session_key,
        count(DISTINCT treated_level.site) AS n_levels
    FROM core.treatment AS treatment
    INNER JOIN flat.treated_level AS treated_level
        ON
            treatment.procedure_key = treated_level.procedure_key
            AND treatment.lesion_key = treated_level.lesion_key
    WHERE treated_level.level IS NOT NULL
    GROUP BY treatment.session_key
),

ordered_treatment AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY session_key
            ORDER BY started_at NULLS LAST, procedure_key
        ) AS treatment_number
    FROM core.treatment
),

session_day AS (
    SELECT
        session_key,
        center_id,
        patient_key,
        treated_date AS session_date,
        min(started_at) AS started_at,
        count(*) AS n_lesions,
        bool_or(has_cementoplasty) AS has_cementoplasty,
        max(run_id) AS run_id,
        max(CASE WHEN treatment_number = 1 THEN procedure_key END) AS resource_key
    FROM ordered_treatment
    GROUP BY session_key, center_id, patient_key, treated_date
)

SELECT
    session_day.session_key,
    session_day.center_id,
    session_day.patient_key,
    session_day.session_date,
    session_day.started_at,
    row_number()
        OVER (PARTITION BY session_day.patient_key ORDER BY session_day.session_date)
        AS session_number,
    session_day.session_date
    = min(session_day.session_date) OVER (PARTITION BY session_day.patient_key) AS is_index,
    session_day.n_lesions,
    coalesce(treated.n_levels, 0) AS n_levels,
    session_day.has_cementoplasty,
    session_day.run_id,
    'Procedure' AS resource_type,
    session_day.resource_key
FROM session_day
LEFT JOIN treated ON session_day.session_key = treated.session_key
