-- metric = "nprs_1m_carried_forward"
-- version = 1
-- title = "NPRS at 1 month, last score carried forward"
-- cohort = "outcomes.pain_assessment"
-- grain = "patient"
-- statistic = "paired"
-- unit = "points"
-- needs = ["outcomes.pain_assessment"]
-- groups = ["all", "center"]
-- family = "nprs_carried_forward"
-- rules = ["baseline_from_day", "baseline_to_day", "month1_from_day", "month1_to_day", "month1_target_day"]
-- reference = "STROBE statement, item 12e: sensitivity analyses"
-- definition = """
-- Sensitivity analysis of nprs_1m: a missing score that was due is the last one before it, never past
-- death. Painful patients with a baseline score.
-- """
SELECT
    center_id,
    score_carried_forward AS value,
    baseline
FROM outcomes.pain_assessment
WHERE time_point = '1m'
