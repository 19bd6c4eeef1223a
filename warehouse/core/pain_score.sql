-- table = "core.pain_score"
-- title = "Pain scores"
-- grain = "one pain Observation of a cohort patient"
-- key = ["pain_score_key"]
-- needs = ["flat.pain_value", "flat.cohort", "flat.dated", "core.rule"]
-- owner = ["'Patient'", "patient_key"]
-- reference = "Cazzato et al. 2022: numeric pain rating scale 0-10 before, 24 h, 1 month, last follow-up"
-- definition = """
-- Every score is kept with the reason why it does not count. Reasons in this order: status, scale, value
-- (comparator, none, unit, range: see mappings/values), date, birth, death, data lock. Of the scores of
-- one day that stand for the same phase (before the treatment, index day without a time, 24-hour window,
-- after) the highest counts, on ties the smallest key: so a score before and one after the treatment on
-- the same day do not hide each other. Where score and session both have an instant, these decide,
-- whatever days their offsets make of them: a score before the start is of the index day at the latest,
-- one after it at the earliest.
-- """
-- [columns]
-- pain_score_key = "Observation."
-- center_id = "Center that sent the Observation."
-- patient_key = "Patient."
-- run_id = "Run that landed this version."
-- scale = "nprs, vas, faces, verbal or interference."
-- score = "Value in the unit of the scale; as sent when its unit is not one of the scale."
-- value_form = "quantity, integer, answer, ordinal, or one of these after component_."
-- scored_date = "Local calendar day; NULL for partial dates."
-- scored_at = "Instant in UTC, if the center sent a time with offset."
-- scored_precision = "year, month, day, local_time, instant or invalid; NULL without a date."
-- day_from_index = "Calendar days from the index date; 0 when its instant is on the other side of the start."
-- hours_from_index = "Hours from the start of the index session; NULL unless both have a time."
-- phase = "before, index_day (no time, so before or after), 24h or after."
-- n_scores_that_day = "Valid scores of the patient on that day and phase."
-- is_day_highest = "The score that counts for its day and phase."
-- is_usable = "The score counts."
-- exclusion_reason = "Why the score does not count; NULL when it does."
-- resource_type = "FHIR type of the resource it comes from."
-- resource_key = "The Observation."
WITH placed AS (
    SELECT
        pain_value.pain_score_key,
        pain_value.center_id,
        pain_value.patient_key,
        pain_value.run_id,
        pain_value.scale,
        pain_value.score,
        pain_value.value_form,
        effective.dated_date AS scored_date,
        effective.dated_at AS scored_at,
        effective.dated_precision AS scored_precision,
        date_diff('day', cohort.index_date, effective.dated_date) AS written_day,
        date_diff('second', cohort.index_started_at, effective.dated_at) / 3600.0 AS hours_from_index,
        study_rule.h24_from_hours,
        study_rule.h24_to_hours,
        CASE
            WHEN pain_value.status IS NULL THEN 'status missing'
            WHEN
                pain_value.status NOT IN ('final', 'amended', 'corrected')
                THEN 'status ' || pain_value.status
            WHEN pain_value.scale <> 'nprs' THEN 'scale is not the 0-10 numeric rating: ' || pain_value.scale
            WHEN pain_value.rejected_reason IS NOT NULL THEN pain_value.rejected_reason
            WHEN effective.resource_key IS NULL THEN 'no date'
            WHEN effective.dated_date IS NULL THEN 'partial date'
            WHEN effective.dated_date < cohort.birth_date THEN 'before birth'
            WHEN
                effective.dated_date > cohort.observed_until AND cohort.observed_until < study_rule.data_lock
                THEN 'after death'
            WHEN effective.dated_date > study_rule.data_lock THEN 'after the data lock'
        END AS invalid_reason
    FROM flat.pain_value AS pain_value
    INNER JOIN flat.cohort AS cohort ON pain_value.patient_key = cohort.patient_key
    CROSS JOIN core.rule AS study_rule
    LEFT JOIN flat.dated AS effective
        ON
            pain_value.pain_score_key = effective.resource_key
            AND effective.resource_type = 'Observation'
            AND effective.element = 'effective'
),

timed AS (
    SELECT
        *,
        CASE
            WHEN hours_from_index <= 0 THEN least(written_day, 0)
            WHEN hours_from_index > 0 THEN greatest(written_day, 0)
            ELSE written_day
        END AS day_from_index
    FROM placed
),

-- A score charted at the very start of the treatment was taken before it.
phased AS (
    SELECT
        *,
        CASE
            WHEN hours_from_index <= 0 THEN 'before'
            WHEN hours_from_index IS NULL AND day_from_index < 0 THEN 'before'
            WHEN hours_from_index IS NULL AND day_from_index = 0 THEN 'index_day'
            WHEN
                coalesce(hours_from_index, day_from_index * 24.0) BETWEEN h24_from_hours AND h24_to_hours
                THEN '24h'
            WHEN day_from_index IS NOT NULL THEN 'after'
        END AS phase
    FROM timed
),

ranked AS (
    SELECT
        *,
        count(*) OVER (PARTITION BY patient_key, day_from_index, phase, invalid_reason) AS n_alike,
        row_number() OVER (
            PARTITION BY patient_key, day_from_index, phase, invalid_reason
            ORDER BY score DESC, pain_score_key ASC
        ) AS day_rank
    FROM phased
)

SELECT
    pain_score_key,
    center_id,
    patient_key,
    run_id,
    scale,
    score,
    value_form,
    scored_date,
    scored_at,
    scored_precision,
    day_from_index,
    hours_from_index,
    phase,
    CASE WHEN invalid_reason IS NULL THEN n_alike ELSE 0 END AS n_scores_that_day,
    invalid_reason IS NULL AND day_rank = 1 AS is_day_highest,
    invalid_reason IS NULL AND day_rank = 1 AS is_usable,
    CASE
        WHEN invalid_reason IS NOT NULL THEN invalid_reason
        WHEN day_rank > 1 THEN 'not the highest of its day'
    END AS exclusion_reason,
    'Observation' AS resource_type,
    pain_score_key AS resource_key
FROM ranked
