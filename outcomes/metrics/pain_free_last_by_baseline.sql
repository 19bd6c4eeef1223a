-- metric = "pain_free_last_by_baseline"
-- version = 1
-- title = "Pain-free at last follow-up, by pain at baseline"
-- cohort = "outcomes.painful_patient"
-- grain = "patient"
-- statistic = "shares"
-- unit = "%"
-- needs = ["outcomes.painful_patient"]
-- groups = ["all", "center"]
-- contrast = "stratified"
-- order = "name"
-- audience = "team"
-- rules = ["baseline_from_day", "baseline_to_day", "last_from_day"]
-- reference = "Serlin et al. 1995, doi 10.1016/0304-3959(94)00178-H; Mantel and Haenszel 1959"
-- definition = """
-- Painful patients whose last score is 0, by the severity of their pain at baseline: mild below 5, moderate
-- below 7, else severe. The centers are compared within each severity and over all (Mantel-Haenszel), so
-- that a center that treats worse pain is not taken for a worse one. Patients without a baseline score are
-- left out, those without a last one missing.
-- """
SELECT
    center_id,
    CASE WHEN baseline < 5 THEN 'mild' WHEN baseline < 7 THEN 'moderate' ELSE 'severe' END AS category,
    CASE WHEN last = 0 THEN 1 WHEN last > 0 THEN 0 END AS numerator,
    1 AS denominator
FROM outcomes.painful_patient
WHERE baseline IS NOT NULL
