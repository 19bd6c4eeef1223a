-- check = "treatment_after_death"
-- title = "A treatment is dated after the death of its patient"
-- category = "plausibility"
-- severity = "convention"
-- threshold = 0.0
-- denominator = """
-- SELECT count(*) FROM flat.ablation
-- """
-- advice = """
-- One of the two dates is wrong, or two patients were merged. The treatment is left out; ask the center.
-- """
SELECT
    center_id,
    procedure_key,
    exclusion_reason AS reason
FROM flat.ablation
WHERE exclusion_reason = 'after death'
