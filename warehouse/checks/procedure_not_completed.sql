-- check = "procedure_not_completed"
-- title = "An ablation was found that was not completed"
-- category = "completeness"
-- severity = "characterization"
-- threshold = 0.1
-- denominator = """
-- SELECT count(*) FROM flat.ablation
-- """
-- advice = """
-- Nothing to do: only completed Procedures count. A large share points to a center that never closes them.
-- """
SELECT
    center_id,
    procedure_key,
    exclusion_reason AS reason
FROM flat.ablation
WHERE exclusion_step = 2
