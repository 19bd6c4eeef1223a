-- check = "duplicate_heads"
-- title = "A resource has two current versions"
-- category = "conformance"
-- severity = "fatal"
-- threshold = 0.0
-- denominator = """
-- SELECT count(*) FROM ops.head
-- """
-- advice = """
-- This is a defect of the landing, not of a center: rebuild the warehouse from raw and report it.
-- """
SELECT
    center_id,
    resource_type,
    resource_id,
    count(*) AS heads
FROM ops.head
GROUP BY center_id, resource_type, resource_id
HAVING count(*) > 1
