-- metric = "patients_with_curative_lesions"
-- version = 1
-- title = "Patients with a lesion treated with curative intent"
-- cohort = "outcomes.curative_lesion"
-- grain = "patient"
-- statistic = "count"
-- unit = "patients"
-- needs = ["outcomes.curative_lesion"]
-- groups = ["all", "center"]
-- rules = ["study_start", "study_end", "data_lock"]
-- reference = "Cazzato et al. 2022, doi 10.1007/s00330-021-08477-6"
-- definition = """
-- Patients with at least one lesion whose treatment had curative intent.
-- """
SELECT
    center_id,
    count(DISTINCT patient_key) AS counted
FROM outcomes.curative_lesion
GROUP BY center_id
