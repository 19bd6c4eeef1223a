-- metric = "curative_lesions"
-- version = 1
-- title = "Lesions treated with curative intent"
-- cohort = "outcomes.curative_lesion"
-- grain = "lesion"
-- statistic = "count"
-- unit = "lesions"
-- needs = ["outcomes.curative_lesion"]
-- groups = ["all", "center"]
-- rules = ["study_start", "study_end", "data_lock"]
-- reference = "Cazzato et al. 2022, doi 10.1007/s00330-021-08477-6"
-- definition = """
-- Lesions whose treatment had curative intent.
-- """
SELECT
    center_id,
    count(*) AS counted
FROM outcomes.curative_lesion
GROUP BY center_id
