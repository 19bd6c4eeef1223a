-- metric = "women"
-- version = 1
-- title = "Women"
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
-- Patients whose administrative sex is female. Patients without a coded sex are missing, not men.
-- """
SELECT
    center_id,
    CASE WHEN sex = 'female' THEN 1 WHEN sex IN ('male', 'other') THEN 0 END AS numerator,
    1 AS denominator
FROM core.patient
