-- metric = "pain_followup"
-- version = 1
-- title = "Follow-up of pain"
-- cohort = "outcomes.painful_patient"
-- grain = "patient"
-- statistic = "summary"
-- unit = "months"
-- needs = ["core.rule", "outcomes.painful_patient"]
-- groups = ["all", "center"]
-- rules = ["last_from_day"]
-- reference = "Cazzato et al. 2022, doi 10.1007/s00330-021-08477-6"
-- definition = """
-- Painful patients: time from the index date to the last score. Months are days / 30.4375.
-- """
SELECT
    painful.center_id,
    painful.last_day / nullif(rule.days_per_month, 0) AS value
FROM outcomes.painful_patient AS painful
CROSS JOIN core.rule AS rule
