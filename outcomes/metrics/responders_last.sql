-- metric = "responders_last"
-- version = 1
-- title = "Responders at last follow-up"
-- cohort = "outcomes.painful_patient"
-- grain = "patient"
-- statistic = "shares"
-- unit = "%"
-- needs = ["core.rule", "outcomes.painful_patient"]
-- groups = ["all", "center"]
-- contrast = "difference"
-- rules = [
--     "baseline_from_day", "baseline_to_day", "last_from_day", "responder_points", "responder_percent",
--     "responder_percent_high",
-- ]
-- reference = "Farrar et al. 2001, doi 10.1016/S0304-3959(01)00349-9"
-- definition = """
-- Painful patients whose score fell from baseline by at least the points (points), the percentage
-- (percent) and the higher percentage (percent_high) of the study rules. A percentage of a baseline of 0
-- is not assessable, so those patients are missing there; analgesics are not known.
-- """
SELECT
    painful_patient.center_id,
    'points' AS category,
    CASE
        WHEN painful_patient.baseline - painful_patient.last >= rule.responder_points THEN 1
        WHEN painful_patient.baseline - painful_patient.last < rule.responder_points THEN 0
    END AS numerator,
    1 AS denominator
FROM outcomes.painful_patient AS painful_patient
CROSS JOIN core.rule AS rule
UNION ALL
SELECT
    painful_patient.center_id,
    'percent' AS category,
    CASE
        WHEN painful_patient.baseline = 0 THEN NULL
        WHEN
            100 * (painful_patient.baseline - painful_patient.last)
            >= rule.responder_percent * painful_patient.baseline
            THEN 1
        WHEN
            100 * (painful_patient.baseline - painful_patient.last)
            < rule.responder_percent * painful_patient.baseline
            THEN 0
    END AS numerator,
    1 AS denominator
FROM outcomes.painful_patient AS painful_patient
CROSS JOIN core.rule AS rule
UNION ALL
SELECT
    painful_patient.center_id,
    'percent_high' AS category,
    CASE
        WHEN painful_patient.baseline = 0 THEN NULL
        WHEN
            100 * (painful_patient.baseline - painful_patient.last)
            >= rule.responder_percent_high * painful_patient.baseline
            THEN 1
        WHEN
            100 * (painful_patient.baseline - painful_patient.last)
            < rule.responder_percent_high * painful_patient.baseline
            THEN 0
    END AS numerator,
    1 AS denominator
FROM outcomes.painful_patient AS painful_patient
CROSS JOIN core.rule AS rule
