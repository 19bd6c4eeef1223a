-- metric = "complications_minor"
-- version = 2
-- title = "Minor complications per lesion"
-- cohort = "core.lesion"
-- grain = "event"
-- statistic = "proportion"
-- unit = "%"
-- needs = ["core.complication", "core.lesion"]
-- groups = ["all", "center"]
-- cluster = "patient"
-- interval = "exact"
-- contrast = "difference"
-- rules = ["complication_days", "event_merge_days"]
-- part_of = "complications"
-- reference = "Cazzato et al. 2022, doi 10.1007/s00330-021-08477-6"
-- definition = """
-- Events linked to a treatment session, or that happened within the days of core.rule after it. Events
-- are counted against treated lesions, as the abstract does; only those of class minor. The class comes
-- from SIR or CIRSE grades before CTCAE, and CTCAE before severity. The interval of the proportion takes
-- events as independent; those by patient do not.
-- """
SELECT
    center_id,
    1 AS numerator,
    0 AS denominator,
    patient_key
FROM core.complication
WHERE class = 'minor'
UNION ALL
SELECT
    center_id,
    0 AS numerator,
    1 AS denominator,
    patient_key
FROM core.lesion
