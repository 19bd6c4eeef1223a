-- check = "complication_without_grade"
-- title = "A complication has no grade on any scale"
-- category = "completeness"
-- severity = "convention"
-- threshold = 0.0
-- denominator = """
-- SELECT count(*) FROM core.complication
-- """
-- advice = """
-- It is neither minor nor major. Ask for a SIR, CIRSE or CTCAE grade, or map the center's own grades.
-- """
SELECT
    center_id,
    complication_key,
    rule AS reason
FROM core.complication
WHERE class IS NULL
