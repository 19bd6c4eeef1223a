-- metric = "nprs_24h"
-- version = 1
-- title = "NPRS at 24 hours"
-- cohort = "outcomes.painful_patient"
-- grain = "patient"
-- statistic = "paired"
-- unit = "points"
-- needs = ["outcomes.painful_patient"]
-- groups = ["all", "center"]
-- contrast = "difference"
-- family = "nprs"
-- rules = ["baseline_from_day", "baseline_to_day", "h24_from_hours", "h24_to_hours"]
-- reference = "Cazzato et al. 2022, doi 10.1007/s00330-021-08477-6"
-- definition = """
-- Numerical pain rating scale, 0 (none) to 10 (worst imaginable). Painful patients with a score at
-- both times: the score nearest to 24 hours within its window, and its change from baseline. Holm's
-- correction runs over the three times. The windows are those of core.rule.
-- """
SELECT
    center_id,
    h24 AS value,
    baseline
FROM outcomes.painful_patient
