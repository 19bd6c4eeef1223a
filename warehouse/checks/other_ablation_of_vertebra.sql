-- check = "other_ablation_of_vertebra"
-- title = "A vertebra was ablated by another technique"
-- category = "plausibility"
-- severity = "characterization"
-- threshold = 0.2
-- denominator = """
-- SELECT count(*) FROM flat.ablation_candidate
-- """
-- advice = """
-- Nothing to do if the code is right: other techniques are left out. Destruction codes that do not name the
-- energy need a second code to count.
-- """
SELECT
    center_id,
    procedure_key,
    CASE WHEN has_other_technique THEN 'other technique' ELSE 'energy not named' END AS reason
FROM flat.ablation_candidate
WHERE NOT is_cryoablation AND has_spine_site
