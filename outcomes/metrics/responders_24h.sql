-- metric = "responders_24h"
-- version = 1
-- title = "Responders at 24 hours"
-- cohort = "outcomes.painful_patient"
-- grain = "patient"
-- statistic = "shares"
-- unit = "%"
-- needs = ["outcomes.responder"]
-- groups = ["all", "center"]
-- contrast = "difference"
-- rules = [
--     "baseline_from_day", "baseline_to_day", "h24_from_hours", "h24_to_hours", "responder_points",
--     "responder_percent", "responder_percent_high",
-- ]
-- reference = "Farrar et al. 2001, doi 10.1016/S0304-3959(01)00349-9"
-- definition = """
-- Painful patients whose score fell from baseline by at least the points (points), the percentage
-- (percent) and the higher percentage (percent_high) of the study rules. A percentage of a baseline of 0
-- is not assessable, so those patients are missing there; analgesics are not known.
-- """
SELECT
    center_id,
    category,
    is_responder AS numerator,
    1 AS denominator
FROM outcomes.responder
WHERE time_point = '24h'
