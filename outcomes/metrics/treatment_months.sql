-- metric = "treatment_months"
-- version = 1
-- title = "Months of treatment"
-- cohort = "core.treatment"
-- grain = "treatment"
-- statistic = "extremes"
-- unit = "year-month"
-- needs = ["core.treatment"]
-- groups = ["all", "center"]
-- rules = ["study_start", "study_end", "data_lock"]
-- reference = "Cazzato et al. 2022, doi 10.1007/s00330-021-08477-6"
-- definition = """
-- Calendar months of the first and of the last treatment, as the number year x 100 + month.
-- """
SELECT
    center_id,
    year(treated_date) * 100 + month(treated_date) AS value
FROM core.treatment
