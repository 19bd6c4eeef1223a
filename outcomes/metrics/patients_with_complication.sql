-- metric = "patients_with_complication"
-- version = 2
-- title = "Patients with a complication"
-- cohort = "core.patient"
-- grain = "patient"
-- statistic = "proportion"
-- unit = "%"
-- needs = ["core.complication", "core.patient"]
-- groups = ["all", "center"]
-- interval = "exact"
-- contrast = "difference"
-- rules = ["complication_days", "event_merge_days"]
-- reference = "Cazzato et al. 2022, doi 10.1007/s00330-021-08477-6"
-- definition = """
-- Patients with at least one complication of any class.
-- """
SELECT
    patient.center_id,
    CASE WHEN count(complication.complication_key) > 0 THEN 1 ELSE 0 END AS numerator,
    1 AS denominator
FROM core.patient AS patient
LEFT JOIN core.complication AS complication
    ON patient.patient_key = complication.patient_key
GROUP BY
    patient.patient_key,
    patient.center_id
