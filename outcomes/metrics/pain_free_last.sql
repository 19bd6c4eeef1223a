-- metric = "pain_free_last"
-- version = 1
-- title = "Pain-free at last follow-up"
-- cohort = "outcomes.painful_patient"
-- grain = "patient"
-- statistic = "proportion"
-- unit = "%"
-- needs = ["outcomes.painful_patient"]
-- groups = ["all", "center"]
-- contrast = "difference"
-- rules = ["last_from_day"]
-- reference = "Cazzato et al. 2022, doi 10.1007/s00330-021-08477-6"
-- definition = """
-- Painful patients whose last score is 0; analgesics are not considered. Patients without a last score
-- are missing.
-- """
SELECT
    center_id,
    CASE WHEN last = 0 THEN 1 WHEN last > 0 THEN 0 END AS numerator,
    1 AS denominator
FROM outcomes.painful_patient
