-- metric = "nprs_1m"
-- version = 1
-- title = "NPRS at 1 month"
-- cohort = "outcomes.painful_patient"
-- grain = "patient"
-- statistic = "paired"
-- unit = "points"
-- needs = ["outcomes.painful_patient"]
-- groups = ["all", "center"]
-- contrast = "difference"
-- family = "nprs"
-- rules = ["baseline_from_day", "baseline_to_day", "month1_from_day", "month1_to_day", "month1_target_day"]
-- reference = "Cazzato et al. 2022, doi 10.1007/s00330-021-08477-6"
-- definition = """
-- Numerical pain rating scale, 0 (none) to 10 (worst imaginable). Painful patients with a score at
-- both times: the score nearest to the target day within its window, and its change from baseline.
-- Holm's correction runs over the three times. The windows are those of core.rule.
-- """
SELECT
    center_id,
    m1 AS value,
    baseline
FROM outcomes.painful_patient
