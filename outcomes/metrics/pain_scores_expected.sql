-- metric = "pain_scores_expected"
-- version = 1
-- title = "Pain scores expected and due"
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
-- Of the painful patients, all of whom are expected at each time: how many scores are expected, due (the
-- patient alive and the data not locked when the window opens) and present.
-- """
SELECT
    center_id,
    time_point || ': expected' AS category,
    count(*) AS counted
FROM outcomes.pain_assessment
GROUP BY center_id, time_point
UNION ALL
SELECT
    center_id,
    time_point || ': due' AS category,
    sum(CASE WHEN is_due THEN 1 ELSE 0 END) AS counted
FROM outcomes.pain_assessment
GROUP BY center_id, time_point
UNION ALL
SELECT
    center_id,
    time_point || ': present' AS category,
    count(score) AS counted
FROM outcomes.pain_assessment
GROUP BY center_id, time_point
