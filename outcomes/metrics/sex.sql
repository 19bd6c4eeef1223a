-- metric = "sex"
-- version = 1
-- title = "Sex"
-- cohort = "core.patient"
-- grain = "patient"
-- statistic = "categories"
-- unit = "%"
-- needs = ["core.patient"]
-- groups = ["all", "center"]
-- contrast = "smd"
-- rules = ["study_start", "study_end", "data_lock"]
-- reference = "STROBE statement, item 14a"
-- definition = """
-- Administrative gender as sent: female, male, other or unknown. Not sent is missing.
-- """
SELECT
    center_id,
    sex AS category
FROM core.patient
