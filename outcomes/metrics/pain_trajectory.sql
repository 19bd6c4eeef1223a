-- metric = "pain_trajectory"
-- version = 1
-- title = "Pain over time"
-- cohort = "outcomes.pain_assessment"
-- grain = "score"
-- statistic = "trajectory"
-- unit = "points"
-- needs = ["outcomes.pain_assessment"]
-- groups = ["all", "center"]
-- rules = [
--     "baseline_from_day", "baseline_to_day", "h24_from_hours", "h24_to_hours", "month1_from_day",
--     "month1_to_day", "month1_target_day", "last_from_day",
-- ]
-- reference = "Laird and Ware 1982, doi 10.2307/2529876"
-- definition = """
-- Painful patients with any score: the mean at each of the four times and its change from baseline, by a
-- mixed model with a random intercept of the patient and time as a factor; scores that are missing are
-- missing at random to it. The same changes by a GEE as a check. The last follow-up has a different
-- distance in each patient.
-- """
SELECT
    center_id,
    patient_key,
    time_order,
    time_point,
    score
FROM outcomes.pain_assessment
WHERE score IS NOT NULL
