-- table = "outcomes.painful_patient"
-- title = "Patients with painful metastases"
-- grain = "one patient"
-- key = ["patient_key"]
-- needs = ["core.patient", "core.pain_timeline"]
-- reference = "Cazzato et al. 2022, doi 10.1007/s00330-021-08477-6; windows as in core.rule"
-- definition = """
-- Cohort patients with a painful spinal metastasis: a baseline score of at least 1, or a coded pain
-- indication. Scores are the numerical pain rating scale, 0 to 10; a time without a score is NULL.
-- The last score is the latest one from the first day of follow-up on, so it can be the same Observation
-- as the 1-month score; its distance from the index differs from patient to patient.
-- """
-- [columns]
-- patient_key = "Key of the patient."
-- center_id = "Center that treated the patient."
-- baseline = "Score before the index treatment."
-- h24 = "Score 24 hours after the index treatment."
-- m1 = "Score 1 month after the index treatment."
-- last = "Score at the last follow-up."
-- last_day = "Day of the last score, counted from the index date."
SELECT
    patient.patient_key,
    patient.center_id,
    max(CASE WHEN timeline.time_point = 'baseline' THEN timeline.score END) AS baseline,
    max(CASE WHEN timeline.time_point = '24h' THEN timeline.score END) AS h24,
    max(CASE WHEN timeline.time_point = '1m' THEN timeline.score END) AS m1,
    max(CASE WHEN timeline.time_point = 'last' THEN timeline.score END) AS last,
    max(CASE WHEN timeline.time_point = 'last' THEN timeline.day_from_index END) AS last_day
FROM core.patient AS patient
LEFT JOIN core.pain_timeline AS timeline
    ON patient.patient_key = timeline.patient_key
WHERE patient.is_painful
GROUP BY
    patient.patient_key,
    patient.center_id
