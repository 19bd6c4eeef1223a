-- metric = "age"
-- version = 1
-- title = "Age at index"
-- cohort = "core.patient"
-- grain = "patient"
-- statistic = "summary"
-- unit = "years"
-- needs = ["core.patient"]
-- groups = ["all", "center"]
-- contrast = "smd"
-- rules = ["study_start", "study_end", "data_lock"]
-- reference = "Cazzato et al. 2022, doi 10.1007/s00330-021-08477-6"
-- definition = """
-- Completed years of age on the index date: the day of the first qualifying treatment.
-- """
SELECT
    center_id,
    age_at_index_years AS value
FROM core.patient
