CREATE MACRO chance(number, salt) AS (hash(number * 1000 + salt) % 1000000) / 1000000.0;

CREATE TABLE core.rule AS
SELECT
    DATE '2008-05-01' AS study_start, DATE '2020-09-30' AS study_end, DATE '2021-06-30' AS data_lock,
    -30 AS baseline_from_day, 0 AS baseline_to_day, 12 AS h24_from_hours, 48 AS h24_to_hours,
    21 AS month1_from_day, 45 AS month1_to_day, 30 AS month1_target_day, 21 AS last_from_day,
    30 AS complication_days, 3 AS event_merge_days, CAST(2 AS DOUBLE) AS responder_points,
    CAST(30 AS DOUBLE) AS responder_percent, CAST(50 AS DOUBLE) AS responder_percent_high,
    CAST(12 AS DOUBLE) AS lost_after_months, CAST(30.4375 AS DOUBLE) AS days_per_month;

CREATE TABLE benchmark_patient AS
SELECT
    number,
    printf('p%07d', number) AS patient_key,
    CASE WHEN chance(number, 1) < 0.6 THEN 'a' ELSE 'b' END AS center_id,
    DATE '2008-05-01' + CAST(chance(number, 2) * 4500 AS INTEGER) AS index_date,
    CAST(-ln(chance(number, 3) + 0.000001) * 500 AS INTEGER) + 1 AS death_day,
    CAST(-ln(chance(number, 4) + 0.000001) * 900 AS INTEGER) + 1 AS leaving_day,
    1 + CAST(floor(-ln(chance(number, 5) + 0.000001) * 0.55) AS INTEGER) AS n_lesions,
    CASE WHEN chance(number, 6) < 0.12 THEN 2 ELSE 1 END AS n_sessions,
    chance(number, 7) < 0.86 AS is_painful
FROM (SELECT unnest(generate_series(1, (SELECT patients FROM benchmark_size))) AS number);

CREATE TABLE core.patient AS
WITH seen AS (
    SELECT *, least(death_day, leaving_day, date_diff('day', index_date, DATE '2021-06-30')) AS last_day
    FROM benchmark_patient
)
SELECT
    patient_key, center_id,
    CASE WHEN chance(number, 8) < 0.02 THEN NULL WHEN chance(number, 8) < 0.5 THEN 'female' ELSE 'male' END AS sex,
    CAST(30 + chance(number, 9) * 60 AS INTEGER) AS age_at_index_years,
    index_date,
    last_day = death_day AS is_dead,
    CASE WHEN last_day = death_day THEN index_date + CAST(last_day AS INTEGER) END AS death_date,
    index_date + CAST(last_day AS INTEGER) AS last_contact_date,
    CAST(last_day AS BIGINT) AS follow_up_days,
    CAST(n_sessions AS BIGINT) AS n_sessions,
    CAST(n_lesions AS BIGINT) AS n_lesions,
    CASE CAST(chance(number, 10) * 6 AS INTEGER)
        WHEN 0 THEN 'breast' WHEN 1 THEN 'lung' WHEN 2 THEN 'prostate' WHEN 3 THEN 'kidney' WHEN 4 THEN 'colon'
    END AS primary_concept,
    is_painful,
    CASE WHEN is_painful THEN 'baseline score' END AS painful_reason
FROM seen;

CREATE TABLE core.pain_timeline AS
WITH planned (time_point, time_order, day) AS (
    VALUES ('baseline', 1, -1), ('24h', 2, 1), ('1m', 3, 30), ('last', 4, 240)
)
SELECT
    patient.patient_key, patient.center_id, planned.time_point, planned.time_order,
    CAST(
        greatest(0, least(10, round(
            7 - 1.5 * planned.time_order + 4 * (chance(patient.number, 11) - 0.5)
            + 4 * (chance(patient.number, 20 + planned.time_order) - 0.5) + 1
        ))) AS DOUBLE
    ) AS score,
    CAST(planned.day AS BIGINT) AS day_from_index
FROM benchmark_patient AS patient
INNER JOIN core.patient AS kept ON patient.patient_key = kept.patient_key
CROSS JOIN planned
WHERE patient.is_painful AND kept.follow_up_days >= planned.day
    AND chance(patient.number, 30 + planned.time_order) < 0.93;

CREATE TABLE core.pain_score AS
SELECT
    timeline.patient_key || '/' || timeline.time_point AS pain_score_key,
    timeline.center_id, timeline.patient_key, timeline.score,
    patient.index_date + CAST(timeline.day_from_index AS INTEGER) AS scored_date,
    timeline.day_from_index,
    CAST(NULL AS DOUBLE) AS hours_from_index,
    CASE timeline.time_point WHEN 'baseline' THEN 'before' WHEN '24h' THEN '24h' ELSE 'after' END AS phase,
    TRUE AS is_usable
FROM core.pain_timeline AS timeline
INNER JOIN core.patient AS patient ON timeline.patient_key = patient.patient_key;

CREATE TABLE core.session AS
SELECT
    patient_key || '/' || session_number AS session_key, center_id, patient_key,
    index_date + CAST(120 * (session_number - 1) AS INTEGER) AS session_date,
    CAST(session_number AS BIGINT) AS session_number
FROM (SELECT *, unnest(generate_series(1, n_sessions)) AS session_number FROM benchmark_patient);

CREATE TABLE benchmark_lesion AS
SELECT *, number * 20 + lesion_number AS lesion_id
FROM (SELECT *, unnest(generate_series(1, n_lesions)) AS lesion_number FROM benchmark_patient);

CREATE TABLE core.lesion AS
SELECT
    patient_key || '/' || lesion_number AS lesion_key, center_id, patient_key,
    'T' || CAST(1 + lesion_id % 12 AS VARCHAR) AS level, 'thoracic' AS region,
    index_date AS first_treated_date,
    CASE WHEN chance(lesion_id, 41) < 0.27 THEN 'curative' ELSE 'palliative' END AS intent,
    chance(lesion_id, 42) + chance(number, 43) < 1.3 AS has_cementoplasty,
    CAST(1 AS BIGINT) AS n_sessions
FROM benchmark_lesion;

CREATE TABLE core.treatment AS
SELECT lesion_key, center_id, patient_key, first_treated_date AS treated_date
FROM core.lesion;

CREATE TABLE core.local_control AS
SELECT
    lesion_key || '>' || visit AS local_control_key, center_id, patient_key, lesion_key,
    visit * 91 / 30.4375 AS months_from_treatment,
    CASE WHEN chance(lesion_id, 50) * 60 < visit THEN 'progression' ELSE 'controlled' END AS status,
    TRUE AS is_usable
FROM (
    SELECT
        lesion.patient_key || '/' || lesion.lesion_number AS lesion_key, lesion.lesion_id,
        lesion.center_id, lesion.patient_key,
        unnest(generate_series(1, CAST(1 + patient.follow_up_days // 91 AS INTEGER))) AS visit
    FROM benchmark_lesion AS lesion
    INNER JOIN core.patient AS patient ON lesion.patient_key = patient.patient_key
    WHERE chance(lesion.lesion_id, 41) < 0.27
);

CREATE TABLE core.complication AS
SELECT
    patient_key || '/event' || lesion_number AS complication_key, center_id, patient_key,
    patient_key || '/1' AS session_key,
    CASE WHEN chance(lesion_id, 61) < 0.2 THEN 'major' ELSE 'minor' END AS class,
    'CIRSE' AS scale,
    CASE WHEN chance(lesion_id, 61) < 0.2 THEN '3' ELSE '1' END AS grade
FROM benchmark_lesion
WHERE chance(lesion_id, 60) + chance(number, 62) < 0.4;

CREATE TABLE core.flow AS
SELECT
    center_id, 1 AS step_order, 'patients' AS step, 'patient' AS unit, count(*) AS kept,
    CAST(0 AS BIGINT) AS excluded, '' AS reason
FROM core.patient
GROUP BY center_id;
