-- metric = "overall_survival"
-- version = 1
-- title = "Overall survival"
-- cohort = "core.patient"
-- grain = "patient"
-- statistic = "survival"
-- unit = "%"
-- needs = ["core.patient", "core.rule"]
-- groups = ["all", "center"]
-- contrast = "difference"
-- horizons_months = [12, 24, 36]
-- rules = ["study_start", "study_end", "data_lock"]
-- reference = "Kaplan and Meier 1958, doi 10.2307/2281868"
-- definition = """
-- Patients from their index date: Kaplan-Meier estimate of the share alive; the last contact censors. A
-- death without a full date counts at the last contact.
-- """
SELECT
    patient.center_id,
    patient.follow_up_days / nullif(rule.days_per_month, 0) AS duration_months,
    patient.is_dead AS is_event
FROM core.patient AS patient
CROSS JOIN core.rule AS rule
