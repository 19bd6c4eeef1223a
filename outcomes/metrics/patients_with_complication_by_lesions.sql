-- metric = "patients_with_complication_by_lesions"
-- version = 1
-- title = "Patients with a complication, by lesions treated"
-- cohort = "core.patient"
-- grain = "patient"
-- statistic = "shares"
-- unit = "%"
-- needs = ["core.complication", "core.patient"]
-- groups = ["all", "center"]
-- interval = "exact"
-- contrast = "stratified"
-- order = "name"
-- audience = "team"
-- rules = ["complication_days", "event_merge_days"]
-- reference = "Mantel and Haenszel 1959, doi 10.1093/jnci/22.4.719; Cazzato et al. 2022"
-- definition = """
-- Patients with at least one complication of any class, by the number of their treated lesions. The
-- centers are compared within each number and over all (Mantel-Haenszel): more lesions, more to go wrong.
-- """
SELECT
    patient.center_id,
    CASE WHEN patient.n_lesions >= 2 THEN '2 or more' ELSE '1' END AS category,
    CASE WHEN count(complication.complication_key) > 0 THEN 1 ELSE 0 END AS numerator,
    1 AS denominator
FROM core.patient AS patient
LEFT JOIN core.complication AS complication
    ON patient.patient_key = complication.patient_key
GROUP BY
    patient.patient_key,
    patient.center_id,
    patient.n_lesions
