-- metric = "followup_reverse"
-- version = 1
-- title = "Follow-up by reverse Kaplan-Meier"
-- cohort = "core.patient"
-- grain = "patient"
-- statistic = "survival"
-- unit = "months"
-- needs = ["core.patient", "core.rule"]
-- groups = ["all", "center"]
-- horizons_months = [12, 24, 36]
-- rules = ["study_start", "study_end", "data_lock"]
-- reference = "Schemper and Smith 1996, doi 10.1016/0197-2456(96)00075-X"
-- definition = """
-- Potential follow-up: Kaplan-Meier estimate in which the last contact of a patient alive is the event
-- and death censors; its median is the follow-up that patients would have had if none had died.
-- """
SELECT
    patient.center_id,
    patient.follow_up_days / nullif(rule.days_per_month, 0) AS duration_months,
    NOT patient.is_dead AS is_event
FROM core.patient AS patient
CROSS JOIN core.rule AS rule
