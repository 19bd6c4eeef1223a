-- Centers with at least one cohort patient.
SELECT DISTINCT center_id
FROM core.patient
ORDER BY center_id
