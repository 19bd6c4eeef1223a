-- metric = "flow_excluded"
-- version = 1
-- title = "Flow: excluded"
-- cohort = "core.flow"
-- grain = "step of the flow and reason"
-- statistic = "tally"
-- unit = "units"
-- needs = ["core.flow"]
-- groups = ["all", "center"]
-- audience = "team"
-- rules = ["study_start", "study_end", "data_lock"]
-- reference = "STROBE statement, item 13"
-- definition = """
-- What each step of the flow excluded, by reason.
-- """
SELECT
    center_id,
    step || ': ' || reason AS category,
    sum(excluded) AS counted
FROM core.flow
WHERE excluded > 0
GROUP BY center_id, step, reason
