-- metric = "cementoplasty"
-- version = 2
-- title = "Lesions with cementoplasty"
-- cohort = "core.lesion"
-- grain = "lesion"
-- statistic = "proportion"
-- unit = "%"
-- needs = ["core.lesion"]
-- groups = ["all", "center"]
-- cluster = "patient"
-- contrast = "smd"
-- rules = ["study_start", "study_end", "data_lock"]
-- reference = "Cazzato et al. 2022, doi 10.1007/s00330-021-08477-6"
-- definition = """
-- Lesions that also received bone cement: as part of the ablation, or on the same day at the same level.
-- The interval of the proportion takes lesions as independent; those by patient do not.
-- """
SELECT
    center_id,
    CASE WHEN has_cementoplasty THEN 1 ELSE 0 END AS numerator,
    1 AS denominator,
    patient_key
FROM core.lesion
