-- metric = "lost_to_followup"
-- version = 1
-- title = "Lost to follow-up"
-- cohort = "core.patient"
-- grain = "patient"
-- statistic = "proportion"
-- unit = "%"
-- needs = ["core.patient", "core.rule"]
-- groups = ["all", "center"]
-- contrast = "difference"
-- rules = ["data_lock", "lost_after_months"]
-- reference = "STROBE statement, item 12d: loss to follow-up"
-- definition = """
-- Patients not known to be dead whose last contact lies more than the months of the study rules before
-- the data lock.
-- """
SELECT
    patient.center_id,
    CASE
        WHEN patient.is_dead THEN 0
        WHEN
            date_diff('day', patient.last_contact_date, rule.data_lock)
            > rule.lost_after_months * rule.days_per_month
            THEN 1
        ELSE 0
    END AS numerator,
    1 AS denominator
FROM core.patient AS patient
CROSS JOIN core.rule AS rule
