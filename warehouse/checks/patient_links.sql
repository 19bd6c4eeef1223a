-- check = "patient_links"
-- title = "A merged patient still counts, or merges contradict each other"
-- category = "plausibility"
-- severity = "convention"
-- threshold = 0.0
-- denominator = """
-- SELECT count(*) FROM core.patient_link
-- """
-- advice = """
-- What is filed under a replaced patient counts for its survivor, unless the center's links contradict each
-- other or the survivor's Patient has not been received: ask the center to mend the links, or to send it.
-- """
SELECT
    link.center_id,
    link.patient_key,
    coalesce(link.problem, 'replaced by a patient who is not on file') AS reason
FROM core.patient_link AS link
LEFT JOIN core.patient AS patient ON link.patient_key = patient.patient_key
WHERE link.problem IS NOT NULL OR patient.patient_key IS NOT NULL
