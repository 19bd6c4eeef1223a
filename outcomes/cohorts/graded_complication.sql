-- table = "outcomes.graded_complication"
-- title = "Complications by class and by grade"
-- grain = "one complication in one category"
-- key = ["complication_key", "category"]
-- needs = ["core.complication"]
-- reference = "Cazzato et al. 2022, doi 10.1007/s00330-021-08477-6"
-- definition = """
-- Each complication twice: in its class (minor, major), and in its grade on the scale it was told on.
-- """
-- [columns]
-- complication_key = "Key of the complication."
-- session_key = "Session it belongs to."
-- patient_key = "Patient."
-- center_id = "Center that reported it."
-- category = "Class, or scale and grade."
SELECT
    complication_key,
    session_key,
    patient_key,
    center_id,
    'class ' || coalesce(class, 'not classed') AS category
FROM core.complication
UNION ALL
SELECT
    complication_key,
    session_key,
    patient_key,
    center_id,
    coalesce(scale || ' ' || grade, 'no grade') AS category
FROM core.complication
