-- metric = "lesion_intent"
-- version = 1
-- title = "Intent of the treatment"
-- cohort = "core.lesion"
-- grain = "lesion"
-- statistic = "categories"
-- unit = "%"
-- needs = ["core.lesion"]
-- groups = ["all", "center"]
-- contrast = "smd"
-- rules = ["study_start", "study_end", "data_lock"]
-- reference = "STROBE statement, item 14a"
-- definition = """
-- Lesions by the intent of their first treatment. Not coded is missing.
-- """
SELECT
    center_id,
    intent AS category
FROM core.lesion
