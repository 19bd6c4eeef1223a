-- check = "metastasis_not_confirmed"
-- title = "A spinal cryoablation has no metastasis on file"
-- category = "completeness"
-- severity = "convention"
-- threshold = 0.0
-- denominator = """
-- SELECT count(*) FROM flat.ablation
-- """
-- advice = """
-- Look at the reason of the Procedure and at the codes and body sites of the patient's Conditions.
-- """
SELECT
    center_id,
    procedure_key,
    exclusion_reason AS reason
FROM flat.ablation
WHERE exclusion_step = 5
