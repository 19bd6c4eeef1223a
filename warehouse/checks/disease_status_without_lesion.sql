-- check = "disease_status_without_lesion"
-- title = "A disease status is not about one treated lesion"
-- category = "completeness"
-- severity = "convention"
-- threshold = 0.2
-- denominator = """
-- SELECT count(*) FROM core.local_control
-- """
-- advice = """
-- A status of the whole disease is never counted as local control. If the center means a lesion, it should
-- send it as the focus or body site.
-- """
SELECT
    center_id,
    local_control_key,
    coalesce(exclusion_reason, 'no lesion') AS reason
FROM core.local_control
WHERE lesion_key IS NULL
