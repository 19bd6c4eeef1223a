-- metric = "nprs_last_worst_case"
-- version = 1
-- title = "NPRS at last follow-up, worst case"
-- cohort = "outcomes.pain_assessment"
-- grain = "patient"
-- statistic = "paired"
-- unit = "points"
-- needs = ["outcomes.pain_assessment"]
-- groups = ["all", "center"]
-- family = "nprs_worst_case"
-- rules = ["baseline_from_day", "baseline_to_day", "last_from_day"]
-- reference = "STROBE statement, item 12e: sensitivity analyses"
-- definition = """
-- Sensitivity analysis of nprs_last: a missing score that was due is the baseline (worst case). Painful
-- patients with a baseline score.
-- """
SELECT
    center_id,
    score_worst_case AS value,
    baseline
FROM outcomes.pain_assessment
WHERE time_point = 'last'
