-- The study's window, and the windows and rules of its definitions.
SELECT
    study_start,
    study_end,
    data_lock,
    baseline_from_day,
    baseline_to_day,
    h24_from_hours,
    h24_to_hours,
    month1_from_day,
    month1_to_day,
    month1_target_day,
    last_from_day,
    complication_days,
    event_merge_days,
    responder_points,
    responder_percent,
    responder_percent_high,
    lost_after_months,
    days_per_month
FROM core.rule
