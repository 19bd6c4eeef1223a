-- check = "core_keys_unresolved"
-- title = "A core row names a row that is not there"
-- category = "conformance"
-- severity = "fatal"
-- threshold = 0.0
-- denominator = """
-- SELECT (SELECT count(*) FROM core.session) + (SELECT count(*) FROM core.treatment)
--     + (SELECT count(*) FROM core.lesion) + (SELECT count(*) FROM core.pain_score)
--     + (SELECT count(*) FROM core.pain_timeline) + (SELECT count(*) FROM core.local_control)
--     + (SELECT count(*) FROM core.complication) + (SELECT count(*) FROM core.followup)
-- """
-- advice = """
-- Joins over patient, session, lesion and score would lose rows. This is a defect of the core tables, not of
-- a center: report it; the last release stays.
-- """
SELECT
    session.center_id,
    'core.session' AS core_table,
    session.patient_key AS missing_key
FROM core.session AS session
LEFT JOIN core.patient AS target
    ON session.patient_key = target.patient_key AND session.center_id = target.center_id
WHERE session.patient_key IS NOT NULL AND target.patient_key IS NULL
UNION ALL
SELECT
    treatment.center_id,
    'core.treatment' AS core_table,
    treatment.session_key AS missing_key
FROM core.treatment AS treatment
LEFT JOIN core.session AS target
    ON treatment.session_key = target.session_key AND treatment.center_id = target.center_id
WHERE treatment.session_key IS NOT NULL AND target.session_key IS NULL
UNION ALL
SELECT
    treatment.center_id,
    'core.treatment' AS core_table,
    treatment.lesion_key AS missing_key
FROM core.treatment AS treatment
LEFT JOIN core.lesion AS target
    ON treatment.lesion_key = target.lesion_key AND treatment.center_id = target.center_id
WHERE treatment.lesion_key IS NOT NULL AND target.lesion_key IS NULL
UNION ALL
SELECT
    lesion.center_id,
    'core.lesion' AS core_table,
    lesion.patient_key AS missing_key
FROM core.lesion AS lesion
LEFT JOIN core.patient AS target
    ON lesion.patient_key = target.patient_key AND lesion.center_id = target.center_id
WHERE lesion.patient_key IS NOT NULL AND target.patient_key IS NULL
UNION ALL
SELECT
    lesion.center_id,
    'core.lesion' AS core_table,
    lesion.session_key AS missing_key
FROM core.lesion AS lesion
LEFT JOIN core.session AS target
    ON lesion.session_key = target.session_key AND lesion.center_id = target.center_id
WHERE lesion.session_key IS NOT NULL AND target.session_key IS NULL
UNION ALL
SELECT
    pain_score.center_id,
    'core.pain_score' AS core_table,
    pain_score.patient_key AS missing_key
FROM core.pain_score AS pain_score
LEFT JOIN core.patient AS target
    ON pain_score.patient_key = target.patient_key AND pain_score.center_id = target.center_id
WHERE pain_score.patient_key IS NOT NULL AND target.patient_key IS NULL
UNION ALL
SELECT
    pain_timeline.center_id,
    'core.pain_timeline' AS core_table,
    pain_timeline.pain_score_key AS missing_key
FROM core.pain_timeline AS pain_timeline
LEFT JOIN core.pain_score AS target
    ON pain_timeline.pain_score_key = target.pain_score_key AND pain_timeline.center_id = target.center_id
WHERE pain_timeline.pain_score_key IS NOT NULL AND target.pain_score_key IS NULL
UNION ALL
SELECT
    local_control.center_id,
    'core.local_control' AS core_table,
    local_control.patient_key AS missing_key
FROM core.local_control AS local_control
LEFT JOIN core.patient AS target
    ON local_control.patient_key = target.patient_key AND local_control.center_id = target.center_id
WHERE local_control.patient_key IS NOT NULL AND target.patient_key IS NULL
UNION ALL
SELECT
    local_control.center_id,
    'core.local_control' AS core_table,
    local_control.lesion_key AS missing_key
FROM core.local_control AS local_control
LEFT JOIN core.lesion AS target
    ON local_control.lesion_key = target.lesion_key AND local_control.center_id = target.center_id
WHERE local_control.lesion_key IS NOT NULL AND target.lesion_key IS NULL
UNION ALL
SELECT
    complication.center_id,
    'core.complication' AS core_table,
    complication.patient_key AS missing_key
FROM core.complication AS complication
LEFT JOIN core.patient AS target
    ON complication.patient_key = target.patient_key AND complication.center_id = target.center_id
WHERE complication.patient_key IS NOT NULL AND target.patient_key IS NULL
UNION ALL
SELECT
    complication.center_id,
    'core.complication' AS core_table,
    complication.session_key AS missing_key
FROM core.complication AS complication
LEFT JOIN core.session AS target
    ON complication.session_key = target.session_key AND complication.center_id = target.center_id
WHERE complication.session_key IS NOT NULL AND target.session_key IS NULL
UNION ALL
SELECT
    complication.center_id,
    'core.complication' AS core_table,
    complication.lesion_key AS missing_key
FROM core.complication AS complication
LEFT JOIN core.lesion AS target
    ON complication.lesion_key = target.lesion_key AND complication.center_id = target.center_id
WHERE complication.lesion_key IS NOT NULL AND target.lesion_key IS NULL
UNION ALL
SELECT
    followup.center_id,
    'core.followup' AS core_table,
    followup.patient_key AS missing_key
FROM core.followup AS followup
LEFT JOIN core.patient AS target
    ON followup.patient_key = target.patient_key AND followup.center_id = target.center_id
WHERE followup.patient_key IS NOT NULL AND target.patient_key IS NULL
