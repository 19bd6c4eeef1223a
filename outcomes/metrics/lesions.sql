-- metric = "lesions"
-- version = 1
-- title = "Lesions"
-- cohort = "core.lesion"
-- grain = "lesion"
-- statistic = "count"
-- unit = "lesions"
-- needs = ["core.lesion"]
-- groups = ["all", "center"]
-- rules = ["study_start", "study_end", "data_lock"]
-- reference = "Cazzato et al. 2022, doi 10.1007/s00330-021-08477-6"
-- definition = """
-- Treated spinal metastases: one patient and one set of vertebral levels. A later session on the same
-- levels is a retreatment, not a further lesion.
-- """
SELECT
    center_id,
    count(*) AS counted
FROM core.lesion
GROUP BY center_id
