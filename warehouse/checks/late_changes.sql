-- check = "late_changes"
-- title = "What is more than a year old was sent or changed only now"
-- category = "plausibility"
-- severity = "characterization"
-- threshold = 0.0
-- denominator = """
-- SELECT (SELECT count(*) FROM core.treatment) + (SELECT count(*) FROM core.pain_score)
--     + (SELECT count(*) FROM core.local_control) + (SELECT count(*) FROM core.complication)
-- """
-- advice = """
-- A treatment, score, assessment or complication of a patient whom an earlier sync had read in full. Figures
-- of earlier releases change by it; ask the center whether charts were corrected or a system was replaced.
-- """
-- reference = "Kahn et al. 2016 (doi:10.13063/2327-9214.1244), temporal plausibility"
WITH last_sync AS (
    SELECT
        max(run_id) AS run_id,
        max(started_at) AS started_at
    FROM ops.run
    WHERE kind <> 'refresh'
),

dated_row AS (
    SELECT
        center_id,
        patient_key,
        run_id,
        treatment_key AS row_key,
        treated_date AS row_date,
        'treatment' AS reason
    FROM core.treatment
    UNION ALL
    SELECT
        center_id,
        patient_key,
        run_id,
        pain_score_key AS row_key,
        scored_date AS row_date,
        'pain score' AS reason
    FROM core.pain_score
    UNION ALL
    SELECT
        center_id,
        patient_key,
        run_id,
        local_control_key AS row_key,
        assessed_date AS row_date,
        'assessment' AS reason
    FROM core.local_control
    UNION ALL
    SELECT
        center_id,
        patient_key,
        run_id,
        complication_key AS row_key,
        occurred_date AS row_date,
        'complication' AS reason
    FROM core.complication
)

SELECT
    dated_row.center_id,
    dated_row.row_key,
    dated_row.reason
FROM dated_row
INNER JOIN last_sync ON dated_row.run_id = last_sync.run_id
INNER JOIN ops.cohort_member AS cohort_member
    ON
        dated_row.center_id = cohort_member.center_id
        AND dated_row.patient_key = concat(cohort_member.center_id, '/', cohort_member.patient_id)
WHERE
    cohort_member.run_id < last_sync.run_id
    AND date_diff('day', dated_row.row_date, last_sync.started_at) > 365
