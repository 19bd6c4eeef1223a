-- metric = "lesion_region"
-- version = 1
-- title = "Region of the spine"
-- cohort = "core.lesion"
-- grain = "lesion"
-- statistic = "categories"
-- unit = "%"
-- needs = ["core.lesion"]
-- groups = ["all", "center"]
-- contrast = "smd"
-- order = "spine"
-- rules = ["study_start", "study_end", "data_lock"]
-- reference = "STROBE statement, item 14a"
-- definition = """
-- Lesions by the region of the spine. Without a level or region it is missing.
-- """
SELECT
    center_id,
    region AS category
FROM core.lesion
