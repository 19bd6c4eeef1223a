-- check = "vertebral_procedure_to_review"
-- title = "A procedure at a vertebra has a code that means nothing to the study"
-- category = "completeness"
-- severity = "convention"
-- threshold = 0.0
-- denominator = """
-- SELECT count(*) FROM flat.procedure
-- """
-- advice = """
-- Decide for each code in ops.unmapped whether it is a cryoablation and put it into the center's code file:
-- only then are the patients consecutive.
-- """
SELECT
    procedure.center_id,
    procedure.procedure_key,
    'code not mapped' AS reason
FROM flat.procedure AS procedure
INNER JOIN flat.site_set AS site_set
    ON procedure.procedure_key = site_set.resource_key AND site_set.resource_type = 'Procedure'
WHERE NOT EXISTS (
    SELECT 1
    FROM flat.concept AS concept
    WHERE
        concept.resource_type = 'Procedure'
        AND concept.resource_key = procedure.procedure_key
        AND concept.element = 'code'
        AND concept.code_set = 'procedure'
)
