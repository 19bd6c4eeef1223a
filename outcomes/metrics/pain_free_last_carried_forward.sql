-- metric = "pain_free_last_carried_forward"
-- version = 1
-- title = "Pain-free at last follow-up, last score carried forward"
-- cohort = "outcomes.pain_assessment"
-- grain = "patient"
-- statistic = "proportion"
-- unit = "%"
-- needs = ["outcomes.pain_assessment"]
-- groups = ["all", "center"]
-- rules = ["baseline_from_day", "baseline_to_day", "last_from_day"]
-- reference = "STROBE statement, item 12e: sensitivity analyses"
-- definition = """
-- Sensitivity analysis of pain_free_last: a missing score that was due is the last one before it, never
-- past death. Painful patients; those without such a score are missing.
-- """
SELECT
    center_id,
    CASE WHEN score_carried_forward = 0 THEN 1 WHEN score_carried_forward > 0 THEN 0 END AS numerator,
    1 AS denominator
FROM outcomes.pain_assessment
WHERE time_point = 'last'
