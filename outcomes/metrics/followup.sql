-- metric = "followup"
-- version = 1
-- title = "Follow-up of patients"
-- cohort = "core.patient"
-- grain = "patient"
-- statistic = "summary"
-- unit = "months"
-- needs = ["core.patient", "core.rule"]
-- groups = ["all", "center"]
-- contrast = "smd"
-- rules = ["data_lock"]
-- reference = "Cazzato et al. 2022, doi 10.1007/s00330-021-08477-6"
-- definition = """
-- Time from the index date to the last contact. Months are days / 30.4375.
-- """
SELECT
    patient.center_id,
    patient.follow_up_days / nullif(rule.days_per_month, 0) AS value
FROM core.patient AS patient
CROSS JOIN core.rule AS rule
