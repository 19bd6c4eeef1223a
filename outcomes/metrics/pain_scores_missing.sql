-- metric = "pain_scores_missing"
-- version = 1
-- title = "Pain scores missing, by reason"
-- cohort = "outcomes.pain_assessment"
-- grain = "patient and time"
-- statistic = "tally"
-- unit = "scores"
-- needs = ["outcomes.pain_assessment"]
-- groups = ["all", "center"]
-- rules = [
--     "baseline_from_day", "baseline_to_day", "h24_from_hours", "h24_to_hours", "month1_from_day",
--     "month1_to_day", "month1_target_day", "last_from_day", "data_lock",
-- ]
-- reference = "STROBE statement, item 14b: missing data for each variable"
-- definition = """
-- Scores of painful patients that are missing at each time, by reason.
-- """
WITH reason (missing_reason) AS (
    VALUES
    ('died before the window'),
    ('data locked before the window'),
    ('no contact from the window on'),
    ('no usable score in the window')
)

SELECT
    assessment.center_id,
    assessment.time_point || ': ' || reason.missing_reason AS category,
    sum(CASE WHEN assessment.missing_reason = reason.missing_reason THEN 1 ELSE 0 END) AS counted
FROM outcomes.pain_assessment AS assessment
CROSS JOIN reason
GROUP BY
    assessment.center_id,
    assessment.time_point,
    reason.missing_reason
