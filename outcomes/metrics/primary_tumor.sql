-- metric = "primary_tumor"
-- version = 1
-- title = "Primary tumor"
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
-- Group of the primary tumor that the treated metastasis refers to. Without a code of the code list it is
-- missing.
-- """
SELECT
    center_id,
    primary_concept AS category
FROM core.patient
