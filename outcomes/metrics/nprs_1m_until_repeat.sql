-- metric = "nprs_1m_until_repeat"
-- version = 1
-- title = "NPRS at 1 month, until the second session"
-- cohort = "outcomes.pain_assessment"
-- grain = "patient"
-- statistic = "paired"
-- unit = "points"
-- needs = ["outcomes.pain_assessment"]
-- groups = ["all", "center"]
-- family = "nprs_until_repeat"
-- rules = ["baseline_from_day", "baseline_to_day", "month1_from_day", "month1_to_day", "month1_target_day"]
-- reference = "STROBE statement, item 12e: sensitivity analyses"
-- definition = """
-- Sensitivity analysis of nprs_1m: only scores taken before the day of the second session count. Painful
-- patients with a baseline score.
-- """
SELECT
    center_id,
    score_until_repeat AS value,
    baseline
FROM outcomes.pain_assessment
WHERE time_point = '1m'
