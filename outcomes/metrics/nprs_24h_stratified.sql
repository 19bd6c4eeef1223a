-- metric = "nprs_24h_stratified"
-- version = 1
-- title = "Change in NPRS at 24 hours, stratified by center"
-- cohort = "outcomes.painful_patient"
-- grain = "patient"
-- statistic = "stratified"
-- unit = "points"
-- needs = ["outcomes.painful_patient"]
-- groups = ["all"]
-- rules = ["baseline_from_day", "baseline_to_day", "h24_from_hours", "h24_to_hours"]
-- reference = "Borenstein et al. 2010, doi 10.1002/jrsm.12 (fixed-effect model)"
-- definition = """
-- Mean change from baseline of painful patients with a score at both times, the centers pooled with a fixed
-- effect: each center's mean weighs by the inverse of its variance. Beside the plain mean it tells whether
-- a difference between the centers carries the result.
-- """
SELECT
    center_id,
    h24 AS value,
    baseline
FROM outcomes.painful_patient
