-- check = "ablation_without_date"
-- title = "A cryoablation of a spinal metastasis has no full date"
-- category = "completeness"
-- severity = "convention"
-- threshold = 0.0
-- denominator = """
-- SELECT count(*) FROM flat.ablation
-- """
-- advice = """
-- It cannot be placed in the study window and is left out; ask the center for the day.
-- """
SELECT
    center_id,
    procedure_key,
    exclusion_reason AS reason
FROM flat.ablation
WHERE exclusion_reason = 'no full date'
