-- metric = "deaths"
-- version = 1
-- title = "Deaths"
-- cohort = "core.patient"
-- grain = "patient"
-- statistic = "proportion"
-- unit = "%"
-- needs = ["core.patient"]
-- groups = ["all", "center"]
-- contrast = "smd"
-- rules = ["study_start", "study_end", "data_lock"]
-- reference = "Cazzato et al. 2022, doi 10.1007/s00330-021-08477-6"
-- definition = """
-- Patients known to have died by the data lock.
-- """
SELECT
    center_id,
    CASE WHEN is_dead THEN 1 ELSE 0 END AS numerator,
    1 AS denominator
FROM core.patient
