-- metric = "painful_patients"
-- version = 1
-- title = "Patients with painful metastases"
-- cohort = "core.patient"
-- grain = "patient"
-- statistic = "proportion"
-- unit = "%"
-- needs = ["core.patient"]
-- groups = ["all", "center"]
-- contrast = "smd"
-- rules = ["baseline_from_day", "baseline_to_day"]
-- reference = "Cazzato et al. 2022, doi 10.1007/s00330-021-08477-6"
-- definition = """
-- Patients with a baseline score of at least 1 or a coded pain indication.
-- """
SELECT
    center_id,
    CASE WHEN is_painful THEN 1 ELSE 0 END AS numerator,
    1 AS denominator
FROM core.patient
