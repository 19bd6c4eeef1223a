-- metric = "nprs_last"
-- version = 1
-- title = "NPRS at last follow-up"
-- cohort = "outcomes.painful_patient"
-- grain = "patient"
-- statistic = "paired"
-- unit = "points"
-- needs = ["outcomes.painful_patient"]
-- groups = ["all", "center"]
-- contrast = "difference"
-- family = "nprs"
-- rules = ["baseline_from_day", "baseline_to_day", "last_from_day"]
-- reference = "Cazzato et al. 2022, doi 10.1007/s00330-021-08477-6"
-- definition = """
-- Numerical pain rating scale, 0 (none) to 10 (worst imaginable). Painful patients with a score at
-- both times: the last score from the first day that counts as follow-up on, and its change from
-- baseline. Holm's correction runs over the three times. The windows are those of core.rule.
-- """
SELECT
    center_id,
    last AS value,
    baseline
FROM outcomes.painful_patient
