-- table = "outcomes.pain_assessment"
-- title = "Pain scores expected, due and present"
-- grain = "one painful patient and time"
-- key = ["patient_key", "time_point"]
-- needs = [
--     "core.patient", "core.pain_timeline", "core.pain_score", "core.session", "core.rule",
--     "outcomes.painful_patient",
-- ]
-- reference = "STROBE statement, items 12c and 14b: missing data and how they were addressed"
-- definition = """
-- Every painful patient is expected at each of the four times. A score is due unless the patient had died, or
-- the data were locked, before the window opened; a score that is there was due. Where it is missing, the row
-- says why, and what three sensitivity analyses put there: the baseline (worst case), the score carried
-- forward from the time before, and, for the analysis that stops at the second session, the score of the same
-- window taken before that session. Nothing is carried past death, nor put where nothing was due.
-- """
-- [columns]
-- patient_key = "Key of the patient."
-- center_id = "Center that treated the patient."
-- time_point = "baseline, 24h, 1m or last."
-- time_order = "1 to 4."
-- score = "Score at that time; NULL when missing."
-- baseline = "Score at baseline; NULL when missing."
-- is_due = "Whether a score could be expected."
-- missing_reason = "Why there is no score; NULL when there is one."
-- score_worst_case = "Score, else the baseline when a score was due."
-- score_carried_forward = "Score, else the last one before it when a score was due."
-- score_until_repeat = "Score of the window before the day of the second session; NULL when there is none."
WITH planned (time_point, time_order) AS (
    VALUES ('baseline', 1), ('24h', 2), ('1m', 3), ('last', 4)
),

opened AS (
    SELECT
        painful_patient.patient_key,
        painful_patient.center_id,
        painful_patient.baseline,
        painful_patient.h24,
        painful_patient.m1,
        planned.time_point,
        planned.time_order,
        patient.death_date,
        patient.index_date,
        patient.last_contact_date,
        study_rule.data_lock,
        CASE planned.time_point
            WHEN 'baseline' THEN 0
            WHEN '24h' THEN 1
            WHEN '1m' THEN study_rule.month1_from_day
            ELSE study_rule.last_from_day
        END AS opens_on_day
    FROM outcomes.painful_patient AS painful_patient
    INNER JOIN core.patient AS patient ON painful_patient.patient_key = patient.patient_key
    CROSS JOIN planned
    CROSS JOIN core.rule AS study_rule
),

repeated AS (
    SELECT
        patient_key,
        min(session_date) AS repeat_date
    FROM core.session
    WHERE session_number = 2
    GROUP BY patient_key
),

-- Of the patients treated again: the scores from the same windows that lie before the second session.
early AS (
    SELECT
        pain_score.patient_key,
        planned.time_point,
        pain_score.score,
        row_number() OVER (
            PARTITION BY pain_score.patient_key, planned.time_point
            ORDER BY
                CASE
                    WHEN planned.time_point = '24h'
                        THEN abs(coalesce(pain_score.hours_from_index, pain_score.day_from_index * 24.0) - 24)
                    WHEN planned.time_point = '1m'
                        THEN abs(pain_score.day_from_index - study_rule.month1_target_day)
                    ELSE -pain_score.day_from_index
                END ASC,
                coalesce(pain_score.hours_from_index, pain_score.day_from_index * 24.0) ASC,
                pain_score.pain_score_key ASC
        ) AS choice
    FROM core.pain_score AS pain_score
    INNER JOIN repeated ON pain_score.patient_key = repeated.patient_key
    CROSS JOIN planned
    CROSS JOIN core.rule AS study_rule
    WHERE
        pain_score.is_usable
        AND pain_score.scored_date < repeated.repeat_date
        AND (
            (planned.time_point = '24h' AND pain_score.phase = '24h')
            OR (
                planned.time_point = '1m'
                AND pain_score.day_from_index BETWEEN study_rule.month1_from_day AND study_rule.month1_to_day
            )
            OR (planned.time_point = 'last' AND pain_score.day_from_index >= study_rule.last_from_day)
        )
),

assessed AS (
    SELECT
        opened.*,
        pain_timeline.score,
        CASE
            WHEN opened.time_point = 'baseline' OR repeated.repeat_date IS NULL THEN pain_timeline.score
            ELSE early.score
        END AS score_until_repeat,
        CASE
            WHEN pain_timeline.score IS NOT NULL THEN NULL
            WHEN date_diff('day', opened.index_date, opened.death_date) < opened.opens_on_day
                THEN 'died before the window'
            WHEN date_diff('day', opened.index_date, opened.data_lock) < opened.opens_on_day
                THEN 'data locked before the window'
            WHEN date_diff('day', opened.index_date, opened.last_contact_date) < opened.opens_on_day
                THEN 'no contact from the window on'
            ELSE 'no usable score in the window'
        END AS missing_reason
    FROM opened
    LEFT JOIN core.pain_timeline AS pain_timeline
        ON
            opened.patient_key = pain_timeline.patient_key
            AND opened.time_point = pain_timeline.time_point
    LEFT JOIN repeated ON opened.patient_key = repeated.patient_key
    LEFT JOIN early
        ON
            opened.patient_key = early.patient_key
            AND opened.time_point = early.time_point
            AND early.choice = 1
),

judged AS (
    SELECT
        *,
        coalesce(missing_reason, '') NOT IN ('died before the window', 'data locked before the window')
            AS is_due
    FROM assessed
)

SELECT
    patient_key,
    center_id,
    time_point,
    time_order,
    score,
    baseline,
    is_due,
    missing_reason,
    CASE WHEN is_due THEN coalesce(score, baseline) END AS score_worst_case,
    CASE
        WHEN NOT is_due THEN NULL
        WHEN time_point = '24h' THEN coalesce(score, baseline)
        WHEN time_point = '1m' THEN coalesce(score, h24, baseline)
        WHEN time_point = 'last' THEN coalesce(score, m1, h24, baseline)
        ELSE score
    END AS score_carried_forward,
    score_until_repeat
FROM judged
