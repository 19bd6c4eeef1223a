-- check = "complication_not_linked"
-- title = "A report of a complication belongs to no session"
-- category = "plausibility"
-- severity = "characterization"
-- threshold = 0.2
-- denominator = """
-- SELECT count(*) FROM flat.complication_report
-- """
-- advice = """
-- Reports before or long after a session, after death, of another Procedure or without a day are left out.
-- A suspect Procedure of the cohort links late ones and those without a day.
-- """
SELECT
    center_id,
    report_key,
    exclusion_reason AS reason
FROM flat.complication_report
WHERE
    exclusion_reason IN (
        'before the first session', 'before its suspect session', 'caused by another procedure',
        'after death', 'no full date', 'too long after a session'
    )
