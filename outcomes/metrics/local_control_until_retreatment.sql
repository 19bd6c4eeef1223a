-- metric = "local_control_until_retreatment"
-- version = 1
-- title = "Time to local progression, until retreatment"
-- cohort = "outcomes.curative_lesion"
-- grain = "lesion"
-- statistic = "survival"
-- unit = "%"
-- needs = ["outcomes.curative_lesion"]
-- groups = ["all", "center"]
-- cluster = "patient"
-- horizons_months = [12, 24, 36]
-- rules = ["data_lock"]
-- reference = "Ahmed et al. 2014, doi 10.1148/radiol.14132958"
-- definition = """
-- Sensitivity analysis of local_control_survival: the lesion's second session censors as well.
-- """
SELECT
    center_id,
    CASE
        WHEN retreated_months < coalesce(event_months, follow_up_months) THEN retreated_months
        ELSE coalesce(event_months, follow_up_months)
    END AS duration_months,
    has_progressed AND coalesce(retreated_months >= event_months, TRUE) AS is_event,
    patient_key
FROM outcomes.curative_lesion
