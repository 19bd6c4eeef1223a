-- metric = "sessions_per_patient"
-- version = 1
-- title = "Treatment sessions of a patient"
-- cohort = "core.patient"
-- grain = "patient"
-- statistic = "categories"
-- unit = "%"
-- needs = ["core.patient"]
-- groups = ["all", "center"]
-- contrast = "smd"
-- order = "name"
-- rules = ["study_start", "study_end", "data_lock"]
-- reference = "STROBE statement, item 14a"
-- definition = """
-- Patients by the number of their treatment sessions.
-- """
SELECT
    center_id,
    CASE WHEN n_sessions >= 3 THEN '3 or more' ELSE cast(n_sessions AS VARCHAR) END AS category
FROM core.patient
