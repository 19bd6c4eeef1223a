-- check = "code_coverage"
-- title = "Too few of a center's codings mean something"
-- category = "completeness"
-- severity = "convention"
-- denominator = "SELECT count(*) FROM ops.code_coverage"
-- advice = """
-- See `cryocohort codes unmapped` for the codes that mean nothing, the most used first, and complete the
-- center's code files. A share that fell from one night to the next tells that the center changed its codes.
-- Limits hold for what figures are made of; comorbidities and other findings may stay unmapped.
-- """
-- reference = "Kahn et al. 2016 (doi:10.13063/2327-9214.1244), completeness"
WITH coverage_limit (resource_type, element, least_share) AS (
    VALUES
    ('Procedure', 'code', 0.5),
    ('Procedure', 'body_site', 0.8),
    ('Procedure', 'intent', 0.9),
    ('Condition', 'body_site', 0.5),
    ('Observation', 'code', 0.5),
    ('Observation', 'value', 0.8),
    ('AdverseEvent', 'event', 0.8),
    ('AdverseEvent', 'grade', 0.9),
    ('BodyStructure', 'location', 0.8)
)

SELECT
    code_coverage.center_id,
    code_coverage.resource_type,
    code_coverage.element,
    code_coverage.mapped_share
FROM ops.code_coverage AS code_coverage
INNER JOIN coverage_limit
    ON
        code_coverage.resource_type = coverage_limit.resource_type
        AND code_coverage.element = coverage_limit.element
WHERE code_coverage.mapped_share < coverage_limit.least_share
