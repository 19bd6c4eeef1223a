-- metric = "lesion_level"
-- version = 1
-- title = "Vertebral level"
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
-- Lesions by vertebral level set. Without a level it is missing.
-- """
SELECT
    center_id,
    level AS category
FROM core.lesion
