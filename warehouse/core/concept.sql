-- table = "flat.concept"
-- title = "Concepts"
-- grain = "one concept that one element of one resource is coded with"
-- key = ["resource_type", "resource_key", "element", "code_set", "concept", "requires"]
-- needs = [
--     "flat.condition_coding", "flat.procedure_coding", "flat.observation_coding",
--     "flat.observation_component", "flat.adverse_event_coding", "flat.body_structure_coding",
--     "ops.code_map", "ops.system_alias",
-- ]
-- owner = [
--     "replace(resource_type, 'Component', '')",
--     """CASE WHEN ends_with(resource_type, 'Component') THEN split_part(resource_key, '#', 1) \
--     ELSE resource_key END""",
-- ]
-- reference = "HL7 FHIR ConceptMap; mappings/codes and the center's own code files"
-- definition = """
-- Every coding of every resource, after its system alias is replaced, joined to the center's code map: exact
-- on system and code. Free body-site texts (system `text`) are compared without blanks and in upper case,
-- because sites write 'T 8', 'Th8' or 'bwk 8'. A coding without a concept gives no row: it is listed in
-- ops.unmapped. Components of an Observation are resources of their own here: type 'ObservationComponent'
-- and the key '<observation>#<index>', so that a component's code and value stay together.
-- """
-- [columns]
-- center_id = "Center that sent the resource."
-- resource_type = "Condition, Procedure, Observation, ObservationComponent, AdverseEvent or BodyStructure."
-- resource_key = "Key of the resource within its type."
-- element = "Element the coding was read from: code, body_site, reason, value, grade and so on."
-- code_set = "Canonical code set: procedure, metastasis, level, region, intent, pain_score and so on."
-- concept = "Concept of that set."
-- requires = "What must hold besides the code ('spine_site'), or empty."
WITH coding AS (
    SELECT
        center_id,
        'Condition' AS resource_type,
        condition_key AS resource_key,
        element,
        system AS coding_system,
        code AS coding_code
    FROM flat.condition_coding
    UNION ALL
    SELECT
        center_id,
        'Procedure' AS resource_type,
        procedure_key AS resource_key,
        element,
        system AS coding_system,
        code AS coding_code
    FROM flat.procedure_coding
    UNION ALL
    SELECT
        center_id,
        'Observation' AS resource_type,
        observation_key AS resource_key,
        element,
        system AS coding_system,
        code AS coding_code
    FROM flat.observation_coding
    UNION ALL
    SELECT
        center_id,
        'ObservationComponent' AS resource_type,
        concat(observation_key, '#', component_index) AS resource_key,
        'code' AS element,
        code_system AS coding_system,
        code AS coding_code
    FROM flat.observation_component
    UNION ALL
    SELECT
        center_id,
        'ObservationComponent' AS resource_type,
        concat(observation_key, '#', component_index) AS resource_key,
        'value' AS element,
        value_code_system AS coding_system,
        value_code AS coding_code
    FROM flat.observation_component
    UNION ALL
    SELECT
        center_id,
        'AdverseEvent' AS resource_type,
        adverse_event_key AS resource_key,
        element,
        system AS coding_system,
        code AS coding_code
    FROM flat.adverse_event_coding
    UNION ALL
    SELECT
        center_id,
        'BodyStructure' AS resource_type,
        body_structure_key AS resource_key,
        element,
        system AS coding_system,
        code AS coding_code
    FROM flat.body_structure_coding
),

normalized_coding AS (
    SELECT
        coding.center_id,
        coding.resource_type,
        coding.resource_key,
        coding.element,
        coalesce(system_alias.system, coding.coding_system) AS coding_system,
        CASE
            WHEN coding.coding_system = 'text' THEN upper(regexp_replace(coding.coding_code, '\s', '', 'g'))
            ELSE coding.coding_code
        END AS coding_code
    FROM coding
    LEFT JOIN ops.system_alias AS system_alias ON coding.coding_system = system_alias.alias
    WHERE coding.coding_code IS NOT NULL
),

normalized_map AS (
    SELECT
        center_id,
        system AS coding_system,
        code_set,
        concept,
        CASE WHEN system = 'text' THEN upper(regexp_replace(code, '\s', '', 'g')) ELSE code END
            AS coding_code,
        coalesce(requires, '') AS requires
    FROM ops.code_map
)

SELECT DISTINCT
    normalized_coding.center_id,
    normalized_coding.resource_type,
    normalized_coding.resource_key,
    normalized_coding.element,
    normalized_map.code_set,
    normalized_map.concept,
    normalized_map.requires
FROM normalized_coding
INNER JOIN normalized_map
    ON
        normalized_coding.center_id = normalized_map.center_id
        AND normalized_coding.coding_system = normalized_map.coding_system
        AND normalized_coding.coding_code = normalized_map.coding_code
