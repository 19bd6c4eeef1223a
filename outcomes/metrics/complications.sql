-- metric = "complications"
-- version = 1
-- title = "Complications"
-- cohort = "core.complication"
-- grain = "event"
-- statistic = "count"
-- unit = "events"
-- needs = ["core.complication"]
-- groups = ["all", "center"]
-- rules = ["complication_days", "event_merge_days"]
-- reference = "Cazzato et al. 2022, doi 10.1007/s00330-021-08477-6"
-- definition = """
-- Events linked to a treatment session, or that happened within the days of core.rule after it. One
-- event reported by several routes counts once.
-- """
SELECT
    center_id,
    count(*) AS counted
FROM core.complication
GROUP BY center_id
