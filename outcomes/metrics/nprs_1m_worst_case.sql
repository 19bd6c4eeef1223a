-- metric = "nprs_1m_worst_case"
-- version = 1
-- title = "NPRS at 1 month, worst case"
-- cohort = "outcomes.pain_assessment"
-- grain = "patient"
-- statistic = "paired"
-- unit = "points"
-- needs = ["outcomes.pain_assessment"]
-- groups = ["all", "center"]
-- family = "nprs_worst_case"
-- rules = ["baseline_from_day", "baseline_to_day", "month1_from_day", "month1_to_day", "month1_target_day"]
-- reference = "STROBE statement, item 12e: sensitivity analyses"
-- definition = """
-- Sensitivity analysis of nprs_1m: a missing score that was due is the baseline (worst case). Painful
-- patients with a baseline score.
-- """
SELECT
    center_id,
    score_worst_case AS value,
    baseline
FROM outcomes.pain_assessment
WHERE time_point = '1m'
