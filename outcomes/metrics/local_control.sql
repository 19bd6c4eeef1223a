-- metric = "local_control"
-- version = 2
-- title = "Local control at last assessment"
-- cohort = "outcomes.curative_lesion"
-- grain = "lesion"
-- statistic = "proportion"
-- unit = "%"
-- needs = ["outcomes.curative_lesion"]
-- groups = ["all", "center"]
-- cluster = "patient"
-- contrast = "difference"
-- rules = ["data_lock"]
-- reference = "Ahmed et al. 2014, doi 10.1148/radiol.14132958"
-- definition = """
-- Curative lesions without local progression on their last assessment. Lesions never assessed are
-- missing. The interval of the proportion takes lesions as independent; those by patient do not.
-- """
SELECT
    center_id,
    CASE WHEN is_controlled THEN 1 WHEN NOT is_controlled THEN 0 END AS numerator,
    1 AS denominator,
    patient_key
FROM outcomes.curative_lesion
