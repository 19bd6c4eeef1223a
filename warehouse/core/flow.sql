-- table = "core.flow"
-- title = "Flow of the cohort"
-- grain = "one center, step and reason of exclusion; one row with an empty reason when nothing was excluded"
-- key = ["center_id", "step_order", "reason"]
-- needs = [
--     "ops.code_map", "flat.ablation", "flat.complication_report", "core.patient", "core.session",
--     "core.lesion", "core.pain_score", "core.pain_timeline", "core.local_control", "core.complication",
--     "core.rule",
-- ]
-- reference = "STROBE statement, item 13: numbers at each stage, reasons for non-participation"
-- definition = """
-- What was found, what was kept and why the rest was not, center by center. Steps 1 to 6 narrow the same
-- Procedures; the times of pain scores are counted among painful patients, imaging among lesions treated
-- with curative intent. Every center and step has at least one row, so a zero is seen as a zero.
-- """
-- [columns]
-- center_id = "Center."
-- step_order = "Order of the step."
-- step = "Step."
-- unit = "What is counted: procedure, patient, session, lesion, score, assessment or event."
-- kept = "Number kept after this step; the same in every row of the step."
-- excluded = "Number excluded by this step for this reason."
-- reason = "Reason of exclusion; empty when nothing was excluded."
WITH step (step_order, step, unit) AS (
    VALUES
    (1, 'procedures found', 'procedure'),
    (2, 'completed', 'procedure'),
    (3, 'cryoablation', 'procedure'),
    (4, 'vertebral site', 'procedure'),
    (5, 'metastasis confirmed', 'procedure'),
    (6, 'in the study window', 'procedure'),
    (7, 'patients', 'patient'),
    (8, 'sessions', 'session'),
    (9, 'lesions', 'lesion'),
    (10, 'painful patients', 'patient'),
    (11, 'scored at baseline', 'patient'),
    (12, 'scored at 24h', 'patient'),
    (13, 'scored at 1m', 'patient'),
    (14, 'scored at last', 'patient'),
    (15, 'pain scores found', 'score'),
    (16, 'pain scores usable', 'score'),
    (17, 'lesions with curative intent', 'lesion'),
    (18, 'curative lesions with imaging follow-up', 'lesion'),
    (19, 'assessments found', 'assessment'),
    (20, 'assessments usable', 'assessment'),
    (21, 'complication reports found', 'event'),
    (22, 'reports of a session', 'event'),
    (23, 'complications', 'event'),
    (24, 'complications with a grade', 'event')
),

center AS (
    SELECT DISTINCT center_id
    FROM ops.code_map
    UNION DISTINCT
    SELECT DISTINCT center_id
    FROM flat.ablation
),

ablation_reason AS (
    SELECT
        center_id,
        exclusion_step,
        exclusion_reason,
        count(*) AS items
    FROM flat.ablation
    GROUP BY center_id, exclusion_step, exclusion_reason
),

procedure_step AS (
    SELECT
        ablation.center_id,
        step.step_order,
        CASE WHEN ablation.exclusion_step = step.step_order THEN ablation.exclusion_reason END AS reason,
        ablation.items
    FROM ablation_reason AS ablation
    INNER JOIN step ON step.step_order <= coalesce(ablation.exclusion_step, 6)
    WHERE step.step_order <= 6
),

cohort_step AS (
    SELECT
        center_id,
        7 AS step_order,
        cast(NULL AS VARCHAR) AS reason
    FROM core.patient
    UNION ALL
    SELECT
        center_id,
        8 AS step_order,
        cast(NULL AS VARCHAR) AS reason
    FROM core.session
    UNION ALL
    SELECT
        center_id,
        9 AS step_order,
        cast(NULL AS VARCHAR) AS reason
    FROM core.lesion
    UNION ALL
    SELECT
        center_id,
        10 AS step_order,
        CASE
            WHEN is_painful THEN NULL
            WHEN baseline_score IS NULL THEN 'no baseline score, no coded indication'
            ELSE 'baseline score 0, no coded indication'
        END AS reason
    FROM core.patient
),

time_step AS (
    SELECT
        patient.center_id,
        step.step_order,
        CASE
            WHEN pain_timeline.patient_key IS NOT NULL THEN NULL
            WHEN
                date_diff('day', patient.index_date, patient.death_date)
                < CASE step.step_order
                    WHEN 12 THEN 1
                    WHEN 13 THEN study_rule.month1_from_day
                    WHEN 14 THEN study_rule.last_from_day
                END
                THEN 'died before the window'
            ELSE 'no usable score in the window'
        END AS reason
    FROM core.patient AS patient
    CROSS JOIN core.rule AS study_rule
    INNER JOIN step ON step.step_order BETWEEN 11 AND 14
    LEFT JOIN core.pain_timeline AS pain_timeline
        ON
            patient.patient_key = pain_timeline.patient_key
            AND step.step = 'scored at ' || pain_timeline.time_point
    WHERE patient.is_painful
),

score_reason AS (
    SELECT
        center_id,
        exclusion_reason,
        count(*) AS items
    FROM core.pain_score
    GROUP BY center_id, exclusion_reason
),

assessment_reason AS (
    SELECT
        center_id,
        exclusion_reason,
        count(*) AS items
    FROM core.local_control
    GROUP BY center_id, exclusion_reason
),

observation_step AS (
    SELECT
        center_id,
        15 AS step_order,
        cast(NULL AS VARCHAR) AS reason,
        items
    FROM score_reason
    UNION ALL
    SELECT
        center_id,
        16 AS step_order,
        exclusion_reason AS reason,
        items
    FROM score_reason
    UNION ALL
    SELECT
        center_id,
        19 AS step_order,
        cast(NULL AS VARCHAR) AS reason,
        items
    FROM assessment_reason
    UNION ALL
    SELECT
        center_id,
        20 AS step_order,
        exclusion_reason AS reason,
        items
    FROM assessment_reason
),

lesion_step AS (
    SELECT
        center_id,
        17 AS step_order,
        CASE
            WHEN intent = 'curative' THEN NULL
            WHEN intent IS NULL THEN 'intent not coded'
            ELSE 'intent ' || intent
        END AS reason
    FROM core.lesion
    UNION ALL
    SELECT
        lesion.center_id,
        18 AS step_order,
        CASE WHEN count(local_control.local_control_key) = 0 THEN 'no usable assessment' END AS reason
    FROM core.lesion AS lesion
    LEFT JOIN core.local_control AS local_control
        ON lesion.lesion_key = local_control.lesion_key AND local_control.is_usable
    WHERE lesion.intent = 'curative'
    GROUP BY lesion.center_id, lesion.lesion_key
),

complication_step AS (
    SELECT
        center_id,
        21 AS step_order,
        cast(NULL AS VARCHAR) AS reason,
        1 AS items
    FROM flat.complication_report
    UNION ALL
    SELECT
        center_id,
        22 AS step_order,
        exclusion_reason AS reason,
        1 AS items
    FROM flat.complication_report
    UNION ALL
    SELECT
        center_id,
        23 AS step_order,
        cast(NULL AS VARCHAR) AS reason,
        1 AS items
    FROM core.complication
    UNION ALL
    SELECT
        center_id,
        23 AS step_order,
        'another report of the same event' AS reason,
        n_reports - 1 AS items
    FROM core.complication
    WHERE n_reports > 1
    UNION ALL
    SELECT
        center_id,
        24 AS step_order,
        CASE WHEN class IS NULL THEN rule END AS reason,
        1 AS items
    FROM core.complication
),

item AS (
    SELECT *
    FROM procedure_step
    UNION ALL
    SELECT
        *,
        1 AS items
    FROM cohort_step
    UNION ALL
    SELECT
        *,
        1 AS items
    FROM time_step
    UNION ALL
    SELECT *
    FROM observation_step
    UNION ALL
    SELECT
        *,
        1 AS items
    FROM lesion_step
    UNION ALL
    SELECT *
    FROM complication_step
),

kept AS (
    SELECT
        center_id,
        step_order,
        sum(items) AS items
    FROM item
    WHERE reason IS NULL
    GROUP BY center_id, step_order
),

excluded AS (
    SELECT
        center_id,
        step_order,
        reason,
        sum(items) AS items
    FROM item
    WHERE reason IS NOT NULL
    GROUP BY center_id, step_order, reason
)

SELECT
    center.center_id,
    step.step_order,
    step.step,
    step.unit,
    cast(coalesce(kept.items, 0) AS BIGINT) AS kept,
    cast(coalesce(excluded.items, 0) AS BIGINT) AS excluded,
    coalesce(excluded.reason, '') AS reason
FROM center
CROSS JOIN step
LEFT JOIN kept ON center.center_id = kept.center_id AND step.step_order = kept.step_order
LEFT JOIN excluded ON center.center_id = excluded.center_id AND step.step_order = excluded.step_order
