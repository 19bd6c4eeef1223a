-- metric = "local_control_followup"
-- version = 1
-- title = "Follow-up of local control"
-- cohort = "outcomes.curative_lesion"
-- grain = "lesion"
-- statistic = "summary"
-- unit = "months"
-- needs = ["outcomes.curative_lesion"]
-- groups = ["all", "center"]
-- rules = ["data_lock"]
-- reference = "Cazzato et al. 2022, doi 10.1007/s00330-021-08477-6"
-- definition = """
-- Curative lesions: time from the lesion's first treatment to its last assessment. Months are days /
-- 30.4375.
-- """
SELECT
    center_id,
    follow_up_months AS value
FROM outcomes.curative_lesion
