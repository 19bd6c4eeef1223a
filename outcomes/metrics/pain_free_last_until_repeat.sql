-- metric = "pain_free_last_until_repeat"
-- version = 1
-- title = "Pain-free at last follow-up, until the second session"
-- cohort = "outcomes.pain_assessment"
-- grain = "patient"
-- statistic = "proportion"
-- unit = "%"
-- needs = ["outcomes.pain_assessment"]
-- groups = ["all", "center"]
-- rules = ["baseline_from_day", "baseline_to_day", "last_from_day"]
-- reference = "STROBE statement, item 12e: sensitivity analyses"
-- definition = """
-- Sensitivity analysis of pain_free_last: only scores taken before the day of the second session count.
-- Painful patients; those without such a score are missing.
-- """
SELECT
    center_id,
    CASE WHEN score_until_repeat = 0 THEN 1 WHEN score_until_repeat > 0 THEN 0 END AS numerator,
    1 AS denominator
FROM outcomes.pain_assessment
WHERE time_point = 'last'
