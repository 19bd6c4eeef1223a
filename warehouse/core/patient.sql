-- table = "core.patient"
-- title = "Cohort patients"
-- grain = "one patient with at least one treatment"
-- key = ["patient_key"]
-- needs = [
--     "flat.cohort", "core.session", "core.treatment", "core.lesion", "core.pain_timeline", "core.followup",
--     "flat.concept", "flat.condition", "flat.condition_reference", "flat.dated",
--     "flat.procedure_reference", "flat.treated_level",
--     "flat.survivor",
-- ]
-- owner = ["'Patient'", "patient_key"]
-- reference = "Cazzato et al., Eur Radiol 2022;32:4137-4146; SNOMED CT 48926009 pain in spine"
-- definition = """
-- Painful: a baseline score above 0, or pain in the spine coded as the reason of an ablation of the index
-- session or as a Condition that is that reason or was recorded or had its onset up to the index date; a
-- Condition known before that date that is inactive, in remission or resolved counts only as that reason.
-- Last contact: day of death, else the last day of core.followup. The primary is the one the treated
-- metastasis refers to, else the first on file.
-- """
-- [columns]
-- patient_key = "Patient."
-- center_id = "Center that treated."
-- run_id = "Run that landed the Patient; NULL when the Patient itself has not been received."
-- sex = "male, female, other, unknown (also for any other code); NULL when not sent."
-- birth_date = "Birth date; NULL when partial. Never published."
-- age_at_index_years = "Completed years at the index date; NULL without a full birth date."
-- index_date = "Local calendar day of the first treatment."
-- is_dead = "Dead at the data lock."
-- death_date = "Day of death; NULL when alive, not told or partial."
-- last_contact_date = "Last day the patient was known to be alive, or the day of death."
-- follow_up_days = "Calendar days from the index date to the last contact."
-- n_sessions = "Treatment sessions."
-- n_lesions = "Treated lesions."
-- primary_concept = "Group of the primary tumor: lung, breast, kidney and so on; NULL when not known."
-- baseline_score = "Pain 0-10 at baseline; NULL without a score."
-- is_painful = "Painful before the index treatment."
-- painful_reason = "baseline score, coded indication, both joined by 'and', or NULL."
-- resource_type = "FHIR type of the resource it comes from."
-- resource_key = "The Patient."
WITH valid_condition AS (
    SELECT
        condition.condition_key,
        coalesce(survivor.survivor_key, condition.patient_key) AS patient_key,
        coalesce(condition.clinical_status, '') IN ('inactive', 'remission', 'resolved') AS has_ended,
        concept.code_set,
        concept.concept,
        least(
            coalesce(onset.latest_date, recorded.latest_date),
            coalesce(recorded.latest_date, onset.latest_date)
        ) AS known_date
    FROM flat.condition AS condition
    LEFT JOIN flat.survivor AS survivor ON condition.patient_key = survivor.patient_key
    INNER JOIN flat.concept AS concept
        ON
            condition.condition_key = concept.resource_key
            AND concept.resource_type = 'Condition'
            AND concept.element = 'code'
            AND concept.code_set IN ('painful', 'primary')
    LEFT JOIN flat.dated AS onset
        ON
            condition.condition_key = onset.resource_key
            AND onset.resource_type = 'Condition'
            AND onset.element = 'onset'
    LEFT JOIN flat.dated AS recorded
        ON
            condition.condition_key = recorded.resource_key
            AND recorded.resource_type = 'Condition'
            AND recorded.element = 'recorded'
    WHERE coalesce(condition.verification_status, '') NOT IN ('refuted', 'entered-in-error')
),

index_procedure AS (
    SELECT DISTINCT
        treated_level.procedure_key,
        treated_level.patient_key
    FROM flat.treated_level AS treated_level
    INNER JOIN flat.dated AS performed
        ON
            treated_level.procedure_key = performed.resource_key
            AND performed.resource_type = 'Procedure'
            AND performed.element = 'performed'
    INNER JOIN flat.cohort AS cohort
        ON
            treated_level.patient_key = cohort.patient_key
            AND performed.dated_date = cohort.index_date
),

painful_indication AS (
    SELECT index_procedure.patient_key
    FROM index_procedure
    INNER JOIN flat.concept AS concept
        ON
            index_procedure.procedure_key = concept.resource_key
            AND concept.resource_type = 'Procedure'
            AND concept.element = 'reason'
            AND concept.code_set = 'painful'
    UNION DISTINCT
    SELECT index_procedure.patient_key
    FROM index_procedure
    INNER JOIN flat.procedure_reference AS procedure_reference
        ON
            index_procedure.procedure_key = procedure_reference.procedure_key
            AND procedure_reference.element = 'reason'
    INNER JOIN valid_condition
        ON
            procedure_reference.target_key = valid_condition.condition_key
            AND valid_condition.code_set = 'painful'
    UNION DISTINCT
    SELECT cohort.patient_key
    FROM flat.cohort AS cohort
    INNER JOIN valid_condition
        ON
            cohort.patient_key = valid_condition.patient_key
            AND valid_condition.code_set = 'painful'
            AND cohort.index_date >= valid_condition.known_date
            AND (cohort.index_date = valid_condition.known_date OR NOT valid_condition.has_ended)
),

referenced_primary AS (
    SELECT DISTINCT condition_reference.target_key AS condition_key
    FROM core.treatment AS treatment
    INNER JOIN flat.condition_reference AS condition_reference
        ON
            treatment.condition_key = condition_reference.condition_key
            AND condition_reference.element = 'primary'
),

ranked_primary AS (
    SELECT
        valid_condition.patient_key,
        valid_condition.concept,
        row_number() OVER (
            PARTITION BY valid_condition.patient_key
            ORDER BY
                CASE WHEN referenced_primary.condition_key IS NULL THEN 1 ELSE 0 END,
                valid_condition.known_date NULLS LAST,
                valid_condition.condition_key,
                valid_condition.concept
        ) AS choice
    FROM valid_condition
    LEFT JOIN referenced_primary ON valid_condition.condition_key = referenced_primary.condition_key
    WHERE valid_condition.code_set = 'primary'
),

session_count AS (
    SELECT
        patient_key,
        count(*) AS n_sessions
    FROM core.session
    GROUP BY patient_key
),

lesion_count AS (
    SELECT
        patient_key,
        count(*) AS n_lesions
    FROM core.lesion
    GROUP BY patient_key
),

described AS (
    SELECT
        cohort.*,
        coalesce(cohort.death_date, last_contact.contact_date, cohort.index_date) AS last_contact_date,
        session_count.n_sessions,
        lesion_count.n_lesions,
        ranked_primary.concept AS primary_concept,
        baseline.score AS baseline_score,
        coalesce(baseline.score > 0, FALSE) AS has_painful_score,
        painful_indication.patient_key IS NOT NULL AS has_painful_indication
    FROM flat.cohort AS cohort
    INNER JOIN session_count ON cohort.patient_key = session_count.patient_key
    INNER JOIN lesion_count ON cohort.patient_key = lesion_count.patient_key
    LEFT JOIN core.followup AS last_contact
        ON cohort.patient_key = last_contact.patient_key AND last_contact.is_last
    LEFT JOIN ranked_primary ON cohort.patient_key = ranked_primary.patient_key AND ranked_primary.choice = 1
    LEFT JOIN core.pain_timeline AS baseline
        ON cohort.patient_key = baseline.patient_key AND baseline.time_point = 'baseline'
    LEFT JOIN painful_indication ON cohort.patient_key = painful_indication.patient_key
)

SELECT
    patient_key,
    center_id,
    run_id,
    sex,
    birth_date,
    CASE
        WHEN birth_date <= index_date
            THEN
                extract(YEAR FROM index_date) - extract(YEAR FROM birth_date)
                - CASE
                    WHEN
                        extract(MONTH FROM index_date) * 100 + extract(DAY FROM index_date)
                        < extract(MONTH FROM birth_date) * 100 + extract(DAY FROM birth_date)
                        THEN 1
                    ELSE 0
                END
    END AS age_at_index_years,
    index_date,
    is_dead,
    death_date,
    last_contact_date,
    date_diff('day', index_date, last_contact_date) AS follow_up_days,
    n_sessions,
    n_lesions,
    primary_concept,
    baseline_score,
    has_painful_score OR has_painful_indication AS is_painful,
    CASE
        WHEN has_painful_score AND has_painful_indication THEN 'baseline score and coded indication'
        WHEN has_painful_score THEN 'baseline score'
        WHEN has_painful_indication THEN 'coded indication'
    END AS painful_reason,
    'Patient' AS resource_type,
    patient_key AS resource_key
FROM described
