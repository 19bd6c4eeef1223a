-- check = "quarantine_open"
-- title = "A resource is held in quarantine"
-- category = "conformance"
-- severity = "convention"
-- threshold = 0.01
-- denominator = """
-- SELECT (SELECT count(*) FROM ops.head)
--     + (SELECT count(*) FROM ops.quarantine WHERE is_open)
-- """
-- advice = """
-- See the reason with cryocohort quarantine list; either the center corrects the resource or a waiver
-- accepts the habit.
-- """
SELECT
    center_id,
    resource_type,
    resource_id,
    rule AS reason
FROM ops.quarantine
WHERE is_open
