-- metric = "sessions"
-- version = 1
-- title = "Treatment sessions"
-- cohort = "core.session"
-- grain = "session"
-- statistic = "count"
-- unit = "sessions"
-- needs = ["core.session"]
-- groups = ["all", "center"]
-- rules = ["study_start", "study_end", "data_lock"]
-- reference = "Cazzato et al. 2022, doi 10.1007/s00330-021-08477-6"
-- definition = """
-- Patient and local calendar day with at least one treatment.
-- """
SELECT
    center_id,
    count(*) AS counted
FROM core.session
GROUP BY center_id
