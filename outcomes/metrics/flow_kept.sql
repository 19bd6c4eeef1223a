-- metric = "flow_kept"
-- version = 1
-- title = "Flow: kept"
-- cohort = "core.flow"
-- grain = "step of the flow"
-- statistic = "tally"
-- unit = "units"
-- needs = ["core.flow"]
-- groups = ["all", "center"]
-- audience = "team"
-- rules = ["study_start", "study_end", "data_lock"]
-- reference = "STROBE statement, item 13"
-- definition = """
-- What each step of the flow kept; its unit stands in the data dictionary under core.flow.
-- """
SELECT
    center_id,
    step AS category,
    max(kept) AS counted
FROM core.flow
GROUP BY center_id, step
