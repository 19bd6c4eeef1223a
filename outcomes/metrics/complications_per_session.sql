-- metric = "complications_per_session"
-- version = 1
-- title = "Treatment sessions with a complication"
-- cohort = "core.session"
-- grain = "session"
-- statistic = "proportion"
-- unit = "%"
-- needs = ["core.complication", "core.session"]
-- groups = ["all", "center"]
-- cluster = "patient"
-- interval = "exact"
-- contrast = "difference"
-- rules = ["complication_days", "event_merge_days"]
-- reference = "Cazzato et al. 2022, doi 10.1007/s00330-021-08477-6"
-- definition = """
-- Events linked to a treatment session, or that happened within the days of core.rule after it. Sessions
-- with at least one.
-- """
SELECT
    session.center_id,
    CASE WHEN count(complication.complication_key) > 0 THEN 1 ELSE 0 END AS numerator,
    1 AS denominator,
    session.patient_key
FROM core.session AS session
LEFT JOIN core.complication AS complication
    ON session.session_key = complication.session_key
GROUP BY
    session.center_id,
    session.patient_key,
    session.session_key
