-- metric = "patients"
-- version = 1
-- title = "Patients"
-- cohort = "core.patient"
-- grain = "patient"
-- statistic = "count"
-- unit = "patients"
-- needs = ["core.patient"]
-- groups = ["all", "center"]
-- rules = ["study_start", "study_end", "data_lock"]
-- reference = "Cazzato et al. 2022, doi 10.1007/s00330-021-08477-6"
-- definition = """
-- Patients with at least one completed cryoablation of a spinal metastasis in the study window.
-- """
SELECT
    center_id,
    count(*) AS counted
FROM core.patient
GROUP BY center_id
