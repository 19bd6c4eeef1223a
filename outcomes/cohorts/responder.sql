-- table = "outcomes.responder"
-- title = "Responders"
-- grain = "one patient at one time by one rule"
-- key = ["patient_key", "time_point", "category"]
-- needs = ["core.rule", "outcomes.painful_patient"]
-- reference = "Farrar et al. 2001, doi 10.1016/S0304-3959(01)00349-9"
-- definition = """
-- Whether a painful patient's score fell from baseline by at least the points (points), the percentage
-- (percent) and the higher percentage (percent_high) of the study rules. NULL without both scores, and for
-- a percentage of a baseline of 0, which is not assessable; analgesics are not known.
-- """
-- [columns]
-- patient_key = "Key of the patient."
-- center_id = "Center that treated the patient."
-- time_point = "Time of the later score: 24h, 1m or last."
-- category = "Rule: points, percent or percent_high."
-- is_responder = "1 when the score fell by as much, 0 when it did not."
WITH change AS (
    SELECT
        patient_key,
        center_id,
        '24h' AS time_point,
        baseline,
        baseline - h24 AS fall
    FROM outcomes.painful_patient
    UNION ALL
    SELECT
        patient_key,
        center_id,
        '1m' AS time_point,
        baseline,
        baseline - m1 AS fall
    FROM outcomes.painful_patient
    UNION ALL
    SELECT
        patient_key,
        center_id,
        'last' AS time_point,
        baseline,
        baseline - last AS fall
    FROM outcomes.painful_patient
),

margin AS (
    SELECT
        change.*,
        'points' AS category,
        change.fall - rule.responder_points AS beyond
    FROM change
    CROSS JOIN core.rule AS rule
    UNION ALL
    SELECT
        change.*,
        'percent' AS category,
        CASE WHEN change.baseline > 0 THEN 100 * change.fall - rule.responder_percent * change.baseline END
            AS beyond
    FROM change
    CROSS JOIN core.rule AS rule
    UNION ALL
    SELECT
        change.*,
        'percent_high' AS category,
        CASE
            WHEN change.baseline > 0 THEN 100 * change.fall - rule.responder_percent_high * change.baseline
        END AS beyond
    FROM change
    CROSS JOIN core.rule AS rule
)

SELECT
    patient_key,
    center_id,
    time_point,
    category,
    CASE WHEN beyond >= 0 THEN 1 WHEN beyond < 0 THEN 0 END AS is_responder
FROM margin
