-- metric = "complications_by_grade_per_session"
-- version = 1
-- title = "Complications by class and grade, per session"
-- cohort = "core.session"
-- grain = "session"
-- statistic = "shares"
-- unit = "%"
-- needs = ["outcomes.graded_complication", "core.session"]
-- groups = ["all", "center"]
-- interval = "exact"
-- rules = ["complication_days", "event_merge_days"]
-- reference = "Cazzato et al. 2022, doi 10.1007/s00330-021-08477-6"
-- definition = """
-- Events linked to a treatment session, or that happened within the days of core.rule after it. Treatment
-- sessions with at least one such event, for each class (minor, major) and each grade of each scale.
-- Scales are never mixed: the class comes from SIR or CIRSE grades before CTCAE, and CTCAE before
-- severity.
-- """
WITH category AS (
    SELECT DISTINCT category
    FROM outcomes.graded_complication
)

SELECT
    center_id,
    category,
    count(DISTINCT session_key) AS numerator,
    0 AS denominator
FROM outcomes.graded_complication
GROUP BY center_id, category
UNION ALL
SELECT
    unit.center_id,
    category.category,
    0 AS numerator,
    count(*) AS denominator
FROM core.session AS unit
CROSS JOIN category
GROUP BY unit.center_id, category.category
