-- metric = "local_control_survival"
-- version = 2
-- title = "Time to local progression"
-- cohort = "outcomes.curative_lesion"
-- grain = "lesion"
-- statistic = "survival"
-- unit = "%"
-- needs = ["outcomes.curative_lesion"]
-- groups = ["all", "center"]
-- cluster = "patient"
-- contrast = "difference"
-- horizons_months = [12, 24, 36]
-- rules = ["data_lock"]
-- reference = "Ahmed et al. 2014, doi 10.1148/radiol.14132958"
-- definition = """
-- Curative lesions: Kaplan-Meier estimate of the share free of local progression. Time starts at the
-- lesion's first treatment; death and the last assessment censor. Greenwood's interval takes lesions as
-- independent, the bootstrap of patients does not.
-- """
SELECT
    center_id,
    coalesce(event_months, follow_up_months) AS duration_months,
    has_progressed AS is_event,
    patient_key
FROM outcomes.curative_lesion
