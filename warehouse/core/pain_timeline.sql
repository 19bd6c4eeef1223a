-- table = "core.pain_timeline"
-- title = "Pain at the four times"
-- grain = "one cohort patient and time with a score in its window"
-- key = ["patient_key", "time_point"]
-- needs = ["core.pain_score", "core.rule"]
-- owner = ["'Patient'", "patient_key"]
-- reference = "Cazzato et al. 2022; windows of the study rules, all ends inclusive"
-- definition = """
-- baseline: last score before the start of the index session that lies in the window by calendar days or,
-- where score and session both have an instant, by as many times 24 hours; scores of the index day without
-- a time count as before only when there is no other, and are flagged. 24h: nearest to 24 hours within its
-- hours; scores without a time stand for 24 hours a day, so day 1 goes before day 2. 1m: nearest to the
-- target day within its days, the earlier one on ties. last: last score from its first day on, which may be
-- the one of 1m.
-- """
-- [columns]
-- patient_key = "Patient."
-- center_id = "Center that sent the score."
-- time_point = "baseline, 24h, 1m or last."
-- time_order = "1 to 4."
-- pain_score_key = "Score that counts at this time."
-- score = "Pain 0-10."
-- scored_date = "Local calendar day of the score."
-- day_from_index = "Calendar days from the index date."
-- n_scores_that_day = "Valid scores of that day and phase; the highest was taken."
-- is_assumed_before = "Baseline from the index day without a time: taken to be before the treatment."
-- run_id = "Run that landed the score."
-- resource_type = "FHIR type of the resource it comes from."
-- resource_key = "The Observation of the score."
WITH usable AS (
    SELECT
        *,
        coalesce(hours_from_index, day_from_index * 24.0) AS hours
    FROM core.pain_score
    WHERE is_usable
),

candidate AS (
    SELECT
        usable.*,
        'baseline' AS time_point,
        1 AS time_order,
        CASE WHEN usable.phase = 'before' THEN 0 ELSE 1 END AS preference,
        cast(-usable.hours AS DOUBLE) AS distance
    FROM usable
    CROSS JOIN core.rule AS study_rule
    WHERE
        usable.phase IN ('before', 'index_day')
        AND (
            usable.day_from_index BETWEEN study_rule.baseline_from_day AND study_rule.baseline_to_day
            OR usable.hours_from_index
            BETWEEN study_rule.baseline_from_day * 24 AND study_rule.baseline_to_day * 24
        )
    UNION ALL
    SELECT
        usable.*,
        '24h' AS time_point,
        2 AS time_order,
        0 AS preference,
        cast(abs(usable.hours - 24) AS DOUBLE) AS distance
    FROM usable
    WHERE usable.phase = '24h'
    UNION ALL
    SELECT
        usable.*,
        '1m' AS time_point,
        3 AS time_order,
        0 AS preference,
        cast(abs(usable.day_from_index - study_rule.month1_target_day) AS DOUBLE) AS distance
    FROM usable
    CROSS JOIN core.rule AS study_rule
    WHERE usable.day_from_index BETWEEN study_rule.month1_from_day AND study_rule.month1_to_day
    UNION ALL
    SELECT
        usable.*,
        'last' AS time_point,
        4 AS time_order,
        0 AS preference,
        cast(-usable.day_from_index AS DOUBLE) AS distance
    FROM usable
    CROSS JOIN core.rule AS study_rule
    WHERE usable.day_from_index >= study_rule.last_from_day
),

ranked AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY patient_key, time_point
            ORDER BY preference, distance, hours, pain_score_key
        ) AS choice
    FROM candidate
)

SELECT
    patient_key,
    center_id,
    time_point,
    time_order,
    pain_score_key,
    score,
    scored_date,
    day_from_index,
    n_scores_that_day,
    phase = 'index_day' AS is_assumed_before,
    run_id,
    resource_type,
    resource_key
FROM ranked
WHERE choice = 1
