-- metric = "nprs_baseline"
-- version = 1
-- title = "NPRS at baseline"
-- cohort = "outcomes.painful_patient"
-- grain = "patient"
-- statistic = "summary"
-- unit = "points"
-- needs = ["outcomes.painful_patient"]
-- groups = ["all", "center"]
-- contrast = "smd"
-- rules = ["baseline_from_day", "baseline_to_day"]
-- reference = "Cazzato et al. 2022, doi 10.1007/s00330-021-08477-6"
-- definition = """
-- Numerical pain rating scale, 0 (none) to 10 (worst imaginable). Painful patients: the last score in
-- the window before the treatment; of several on one day the highest. The windows are those of
-- core.rule.
-- """
SELECT
    center_id,
    baseline AS value
FROM outcomes.painful_patient
