-- check = "center_without_cohort"
-- title = "A center adds no patient to the cohort"
-- category = "completeness"
-- severity = "convention"
-- threshold = 0.0
-- denominator = """
-- SELECT count(DISTINCT center_id) FROM ops.code_map
-- """
-- advice = """
-- Compare the center's steps in core.flow with those of the others; its code files are the usual cause.
-- """
SELECT DISTINCT
    code_map.center_id,
    code_map.center_id AS center_key,
    'no patient in the cohort' AS reason
FROM ops.code_map AS code_map
LEFT JOIN core.patient AS patient ON code_map.center_id = patient.center_id
WHERE patient.center_id IS NULL
