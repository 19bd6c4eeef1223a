-- metric = "local_control_by_region"
-- version = 1
-- title = "Local control at last assessment, by region of the spine"
-- cohort = "outcomes.curative_lesion"
-- grain = "lesion"
-- statistic = "shares"
-- unit = "%"
-- needs = ["outcomes.curative_lesion", "core.lesion"]
-- groups = ["all", "center"]
-- contrast = "stratified"
-- order = "spine"
-- audience = "team"
-- rules = ["data_lock"]
-- reference = "Ahmed et al. 2014, doi 10.1148/radiol.14132958; Mantel and Haenszel 1959"
-- definition = """
-- Curative lesions without local progression on their last assessment, by the region of the spine. The
-- centers are compared within each region and over all (Mantel-Haenszel). Lesions never assessed are missing.
-- """
SELECT
    curative_lesion.center_id,
    coalesce(lesion.region, 'not told') AS category,
    CASE
        WHEN curative_lesion.is_controlled THEN 1
        WHEN NOT curative_lesion.is_controlled THEN 0
    END AS numerator,
    1 AS denominator
FROM outcomes.curative_lesion AS curative_lesion
INNER JOIN core.lesion AS lesion
    ON curative_lesion.lesion_key = lesion.lesion_key
