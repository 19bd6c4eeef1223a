-- metric = "sessions_per_lesion"
-- version = 1
-- title = "Treatment sessions of a lesion"
-- cohort = "core.lesion"
-- grain = "lesion"
-- statistic = "categories"
-- unit = "%"
-- needs = ["core.lesion"]
-- groups = ["all", "center"]
-- contrast = "smd"
-- order = "name"
-- rules = ["study_start", "study_end", "data_lock"]
-- reference = "STROBE statement, item 14a"
-- definition = """
-- Lesions by the number of sessions in which they were treated: 2 or more were retreated.
-- """
SELECT
    center_id,
    CASE WHEN n_sessions >= 3 THEN '3 or more' ELSE cast(n_sessions AS VARCHAR) END AS category
FROM core.lesion
