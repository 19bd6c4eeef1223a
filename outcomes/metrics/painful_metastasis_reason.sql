-- metric = "painful_metastasis_reason"
-- version = 1
-- title = "Why the metastasis counts as painful"
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
-- Whether a baseline score, a coded indication or both make the metastasis painful.
-- """
SELECT
    center_id,
    coalesce(painful_reason, 'not painful') AS category
FROM core.patient
