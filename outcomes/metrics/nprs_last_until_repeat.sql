-- metric = "nprs_last_until_repeat"
-- version = 1
-- title = "NPRS at last follow-up, until the second session"
-- cohort = "outcomes.pain_assessment"
-- grain = "patient"
-- statistic = "paired"
-- unit = "points"
-- needs = ["outcomes.pain_assessment"]
-- groups = ["all", "center"]
-- family = "nprs_until_repeat"
-- rules = ["baseline_from_day", "baseline_to_day", "last_from_day"]
-- reference = "STROBE statement, item 12e: sensitivity analyses"
-- definition = """
-- Sensitivity analysis of nprs_last: only scores taken before the day of the second session count.
-- Painful patients with a baseline score.
-- """
SELECT
    center_id,
    score_until_repeat AS value,
    baseline
FROM outcomes.pain_assessment
WHERE time_point = 'last'
