-- metric = "pain_scores_present"
-- version = 1
-- title = "Pain scores present of those due"
-- cohort = "outcomes.pain_assessment"
-- grain = "patient and time"
-- statistic = "shares"
-- unit = "%"
-- needs = ["outcomes.pain_assessment"]
-- groups = ["all", "center"]
-- contrast = "difference"
-- rules = [
--     "baseline_from_day", "baseline_to_day", "h24_from_hours", "h24_to_hours", "month1_from_day",
--     "month1_to_day", "month1_target_day", "last_from_day", "data_lock",
-- ]
-- reference = "STROBE statement, item 14b: missing data for each variable"
-- definition = """
-- Share of the scores due at each time that are present, in painful patients.
-- """
SELECT
    center_id,
    time_point AS category,
    count(score) AS numerator,
    sum(CASE WHEN is_due THEN 1 ELSE 0 END) AS denominator
FROM outcomes.pain_assessment
GROUP BY center_id, time_point
