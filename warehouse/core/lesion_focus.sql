-- table = "flat.lesion_focus"
-- title = "Conditions and BodyStructures that stand for one treated lesion"
-- grain = "one Condition or BodyStructure that leads to exactly one lesion"
-- key = ["resource_type", "resource_key"]
-- needs = [
--     "flat.treated_level", "flat.ablation", "flat.spine_site", "flat.condition", "flat.body_structure",
--     "flat.body_structure_reference",
--     "flat.survivor",
-- ]
-- owner = ["resource_type", "resource_key"]
-- reference = "mCODE 4.0.0: Observation.focus of a disease status is the Condition or the tumor it is about"
-- definition = """
-- A resource leads to a lesion by its own level at the same patient, else because the lesion was treated by
-- reason of it, else (BodyStructure) through its Condition. What leads to several lesions, such as one
-- Condition for all bone metastases, stands for none of them and is left out; so are refuted Conditions.
-- """
-- [columns]
-- resource_type = "Condition or BodyStructure."
-- resource_key = "Key of the resource."
-- lesion_key = "Lesion it stands for."
-- patient_key = "Patient."
WITH treated AS (
    SELECT
        treated_level.patient_key,
        treated_level.lesion_key,
        treated_level.site,
        treated_level.level,
        treated_level.condition_key,
        treated_level.body_structure_key
    FROM flat.treated_level AS treated_level
    INNER JOIN flat.ablation AS ablation ON treated_level.procedure_key = ablation.procedure_key
    WHERE ablation.exclusion_step IS NULL
),

located_resource AS (
    SELECT
        'Condition' AS resource_type,
        condition.condition_key AS resource_key,
        coalesce(survivor.survivor_key, condition.patient_key) AS patient_key
    FROM flat.condition AS condition
    LEFT JOIN flat.survivor AS survivor ON condition.patient_key = survivor.patient_key
    WHERE coalesce(condition.verification_status, '') NOT IN ('refuted', 'entered-in-error')
    UNION ALL
    SELECT
        'BodyStructure' AS resource_type,
        body_structure.body_structure_key AS resource_key,
        coalesce(survivor.survivor_key, body_structure.patient_key) AS patient_key
    FROM flat.body_structure AS body_structure
    LEFT JOIN flat.survivor AS survivor ON body_structure.patient_key = survivor.patient_key
),

direct AS (
    SELECT
        located_resource.resource_type,
        located_resource.resource_key,
        treated.lesion_key,
        treated.patient_key,
        1 AS path_order
    FROM located_resource
    INNER JOIN flat.spine_site AS spine_site
        ON
            located_resource.resource_type = spine_site.resource_type
            AND located_resource.resource_key = spine_site.resource_key
    INNER JOIN treated
        ON
            located_resource.patient_key = treated.patient_key
            AND spine_site.level = treated.site
    UNION DISTINCT
    SELECT
        located_resource.resource_type,
        located_resource.resource_key,
        treated.lesion_key,
        treated.patient_key,
        2 AS path_order
    FROM located_resource
    INNER JOIN treated
        ON
            located_resource.resource_key
            = CASE
                WHEN located_resource.resource_type = 'Condition' THEN treated.condition_key
                ELSE treated.body_structure_key
            END
            AND located_resource.patient_key = treated.patient_key
),

path AS (
    SELECT *
    FROM direct
    UNION DISTINCT
    SELECT
        'BodyStructure' AS resource_type,
        body_structure_reference.body_structure_key AS resource_key,
        direct.lesion_key,
        direct.patient_key,
        2 + direct.path_order AS path_order
    FROM flat.body_structure_reference AS body_structure_reference
    INNER JOIN direct
        ON body_structure_reference.target_key = direct.resource_key AND direct.resource_type = 'Condition'
    WHERE body_structure_reference.element = 'condition'
),

shortest_path AS (
    SELECT
        *,
        min(path_order) OVER (PARTITION BY resource_type, resource_key) AS shortest
    FROM path
)

SELECT
    resource_type,
    resource_key,
    min(lesion_key) AS lesion_key,
    min(patient_key) AS patient_key
FROM shortest_path
WHERE path_order = shortest
GROUP BY resource_type, resource_key
HAVING count(DISTINCT lesion_key) = 1
