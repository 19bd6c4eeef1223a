-- metric = "nprs_24h_carried_forward"
-- version = 1
-- title = "NPRS at 24 hours, last score carried forward"
-- cohort = "outcomes.pain_assessment"
-- grain = "patient"
-- statistic = "paired"
-- unit = "points"
-- needs = ["outcomes.pain_assessment"]
-- groups = ["all", "center"]
-- family = "nprs_carried_forward"
-- rules = ["baseline_from_day", "baseline_to_day", "h24_from_hours", "h24_to_hours"]
-- reference = "STROBE statement, item 12e: sensitivity analyses"
-- definition = """
-- Sensitivity analysis of nprs_24h: a missing score that was due is the last one before it, never past
-- death. Painful patients with a baseline score.
-- """
SELECT
    center_id,
    score_carried_forward AS value,
    baseline
FROM outcomes.pain_assessment
WHERE time_point = '24h'
