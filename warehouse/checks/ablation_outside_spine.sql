-- check = "ablation_outside_spine"
-- title = "A cryoablation is not at a vertebra"
-- category = "plausibility"
-- severity = "characterization"
-- threshold = 0.2
-- denominator = """
-- SELECT count(*) FROM flat.ablation
-- """
-- advice = """
-- Right for ribs, kidneys and so on. If the site is a vertebra, its code is missing in the center's code
-- file.
-- """
SELECT
    center_id,
    procedure_key,
    exclusion_reason AS reason
FROM flat.ablation
WHERE exclusion_step = 4
