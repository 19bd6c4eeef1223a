-- table = "core.followup"
-- title = "Follow-up"
-- grain = "one cohort patient and calendar day, from the index date on, on which he or she was seen or died"
-- key = ["followup_key"]
-- needs = [
--     "flat.cohort", "flat.concept", "flat.dated", "flat.observation", "flat.procedure", "core.rule",
--     "flat.survivor",
-- ]
-- owner = ["'Patient'", "patient_key"]
-- reference = "Last contact as in the follow-up of Cazzato et al., Eur Radiol 2022;32:4137-4146"
-- definition = """
-- A patient is seen on the day of a final pain score, of a final assessment of disease status, of a
-- completed procedure. Days before the index date are history; days after the data lock have not happened
-- yet, and nothing is seen after death. The day of death is the last one.
-- """
-- [columns]
-- followup_key = "Key of the day: patient key and calendar day."
-- center_id = "Center that treated."
-- patient_key = "Patient."
-- contact_date = "Local calendar day."
-- days_from_index = "Calendar days from the index date."
-- months_from_index = "The same in months of the study rules (30.4375 days)."
-- n_pain_scores = "Pain scores of the day, on any scale."
-- n_assessments = "Assessments of disease status of the day."
-- n_procedures = "Completed procedures of the day."
-- is_death = "The patient died on this day."
-- is_last = "The patient's last day on file."
-- run_id = "Latest run that landed one of its resources."
-- resource_type = "FHIR type of the resource it comes from: the Patient on the day of death."
-- resource_key = "First of the day's resources of that type."
WITH seen AS (
    SELECT DISTINCT
        coalesce(survivor.survivor_key, observation.patient_key) AS patient_key,
        observation.run_id,
        concept.code_set AS contact,
        'Observation' AS resource_type,
        observation.observation_key AS resource_key,
        effective.dated_date AS contact_date
    FROM flat.observation AS observation
    LEFT JOIN flat.survivor AS survivor ON observation.patient_key = survivor.patient_key
    INNER JOIN flat.concept AS concept
        ON
            observation.observation_key = concept.resource_key
            AND concept.resource_type = 'Observation'
            AND concept.element = 'code'
            AND concept.code_set IN ('pain_score', 'disease_status')
    INNER JOIN flat.dated AS effective
        ON
            observation.observation_key = effective.resource_key
            AND effective.resource_type = 'Observation'
            AND effective.element = 'effective'
    WHERE observation.status IN ('final', 'amended', 'corrected')
    UNION ALL
    SELECT
        coalesce(survivor.survivor_key, procedure.patient_key) AS patient_key,
        procedure.run_id,
        'procedure' AS contact,
        'Procedure' AS resource_type,
        procedure.procedure_key AS resource_key,
        performed.dated_date AS contact_date
    FROM flat.procedure AS procedure
    LEFT JOIN flat.survivor AS survivor ON procedure.patient_key = survivor.patient_key
    INNER JOIN flat.dated AS performed
        ON
            procedure.procedure_key = performed.resource_key
            AND performed.resource_type = 'Procedure'
            AND performed.element = 'performed'
    WHERE procedure.status = 'completed'
    UNION ALL
    SELECT
        patient_key,
        run_id,
        'death' AS contact,
        'Patient' AS resource_type,
        patient_key AS resource_key,
        death_date AS contact_date
    FROM flat.cohort
    WHERE death_date IS NOT NULL
),

placed AS (
    SELECT
        seen.*,
        cohort.center_id,
        cohort.index_date,
        study_rule.days_per_month,
        row_number() OVER (
            PARTITION BY seen.patient_key, seen.contact_date
            ORDER BY
                CASE seen.resource_type WHEN 'Patient' THEN 1 WHEN 'Procedure' THEN 2 ELSE 3 END,
                seen.resource_key
        ) AS contact_number
    FROM seen
    INNER JOIN flat.cohort AS cohort ON seen.patient_key = cohort.patient_key
    CROSS JOIN core.rule AS study_rule
    WHERE seen.contact_date BETWEEN cohort.index_date AND cohort.observed_until
),

contact_day AS (
    SELECT
        patient_key,
        center_id,
        contact_date,
        date_diff('day', index_date, contact_date) AS days_from_index,
        days_per_month,
        count(CASE WHEN contact = 'pain_score' THEN 1 END) AS n_pain_scores,
        count(CASE WHEN contact = 'disease_status' THEN 1 END) AS n_assessments,
        count(CASE WHEN contact = 'procedure' THEN 1 END) AS n_procedures,
        bool_or(contact = 'death') AS is_death,
        max(run_id) AS run_id,
        max(CASE WHEN contact_number = 1 THEN resource_type END) AS resource_type,
        max(CASE WHEN contact_number = 1 THEN resource_key END) AS resource_key
    FROM placed
    GROUP BY patient_key, center_id, contact_date, index_date, days_per_month
)

SELECT
    concat(patient_key, '/', contact_date) AS followup_key,
    center_id,
    patient_key,
    contact_date,
    days_from_index,
    days_from_index / nullif(days_per_month, 0) AS months_from_index,
    n_pain_scores,
    n_assessments,
    n_procedures,
    is_death,
    contact_date = max(contact_date) OVER (PARTITION BY patient_key) AS is_last,
    run_id,
    resource_type,
    resource_key
FROM contact_day
