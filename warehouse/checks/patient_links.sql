-- check = "patient_links"
-- title = "A merged patient still counts, or merges contradict each other"
-- category = "plausibility"
-- severity = "convention"
-- threshold = 0.0
-- denominator = """
-- SELECT count(*) FROM core.patient_link
-- """
-- advice = """
-- A center that merges two patients moves everything to the one that stays. A replaced patient with
-- treatments of its own counts beside its survivor: ask the center to move them, or to undo the merge.
-- """
SELECT
    link.center_id,
    link.patient_key,
    coalesce(link.problem, 'replaced, with treatments of its own') AS reason
FROM core.patient_link AS link
LEFT JOIN core.patient AS patient ON link.patient_key = patient.patient_key
WHERE link.problem IS NOT NULL OR patient.patient_key IS NOT NULL
