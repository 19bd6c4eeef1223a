-- table = "flat.pain_value"
-- title = "Pain values read from Observations"
-- grain = "one pain Observation"
-- key = ["pain_score_key"]
-- needs = [
--     "flat.observation", "flat.observation_coding", "flat.observation_component", "flat.concept",
--     "ops.measure", "ops.measure_unit", "ops.answer_score", "ops.system_alias",
--     "flat.survivor",
-- ]
-- owner = ["'Observation'", "pain_score_key"]
-- reference = "mappings/values: LOINC 72514-3 in UCUM {score} or 1, valueInteger, answers, ordinalValue"
-- definition = """
-- The scale is the numeric rating when any code of the Observation says so. The value is the Observation's
-- own quantity, integer, answer code or ordinal; else that of the component with a pain code (highest first),
-- else that of its only component with a value. A quantity is made the measure's unit by the factor of its
-- unit. Answer codes become numbers by the answers of their question, never by their display: the display of
-- the answer for 2 reads '2 or more'. An answer without such a row is worth what its own coding says
-- (ordinalValue, in R5 itemWeight). A scale without a measure in mappings/values is read and not judged.
-- """
-- [columns]
-- pain_score_key = "Observation."
-- center_id = "Center that sent the Observation."
-- patient_key = "Patient."
-- run_id = "Run that landed this version."
-- status = "Observation.status; other for any code outside the FHIR value set."
-- scale = "nprs, vas, faces, verbal or interference."
-- score = "Value in the unit of the scale, as sent when its unit is not known; NULL when there is none."
-- value_form = "quantity, integer, answer, ordinal, or one of these after component_; NULL without a value."
-- unit_sent = "Code of the unit in lower case, else its text; {} for a UCUM annotation, empty for none."
-- rejected_reason = "Why the value is not one of the scale; NULL when it is, or the scale has no measure."
WITH scale AS (
    SELECT
        resource_type,
        resource_key,
        CASE WHEN bool_or(concept = 'nprs') THEN 'nprs' ELSE min(concept) END AS scale
    FROM flat.concept
    WHERE
        resource_type IN ('Observation', 'ObservationComponent')
        AND element = 'code'
        AND code_set = 'pain_score'
    GROUP BY resource_type, resource_key
),

part AS (
    SELECT
        *,
        concat(observation_key, '#', component_index) AS component_key
    FROM flat.observation_component
),

own_question AS (
    SELECT DISTINCT
        observation_coding.observation_key,
        observation_coding.code AS question_code,
        coalesce(system_alias.system, observation_coding.system) AS question_system
    FROM flat.observation_coding AS observation_coding
    LEFT JOIN ops.system_alias AS system_alias ON observation_coding.system = system_alias.alias
    WHERE observation_coding.element = 'code'
),

question AS (
    SELECT
        'Observation' AS resource_type,
        observation_key AS resource_key,
        question_system,
        question_code
    FROM own_question
    UNION DISTINCT
    SELECT
        'ObservationComponent' AS resource_type,
        part.component_key AS resource_key,
        coalesce(system_alias.system, part.code_system) AS question_system,
        part.code AS question_code
    FROM part
    LEFT JOIN ops.system_alias AS system_alias ON part.code_system = system_alias.alias
    UNION DISTINCT
    SELECT
        'ObservationComponent' AS resource_type,
        part.component_key AS resource_key,
        own_question.question_system,
        own_question.question_code
    FROM part
    INNER JOIN own_question ON part.observation_key = own_question.observation_key
),

answer AS (
    SELECT
        concept.resource_type,
        concept.resource_key,
        max(answer_score.score) AS score
    FROM flat.concept AS concept
    INNER JOIN question
        ON
            concept.resource_type = question.resource_type
            AND concept.resource_key = question.resource_key
    INNER JOIN ops.answer_score AS answer_score
        ON
            concept.concept = answer_score.concept
            AND question.question_system = answer_score.question_system
            AND question.question_code = answer_score.question_code
    WHERE concept.element = 'value' AND concept.code_set = 'pain_answer'
    GROUP BY concept.resource_type, concept.resource_key
),

own_ordinal AS (
    SELECT
        observation_key,
        max(ordinal) AS ordinal
    FROM flat.observation_coding
    WHERE element = 'value'
    GROUP BY observation_key
),

-- A component has a row for each coding of its code and of its value.
component AS (
    SELECT
        part.observation_key,
        part.component_index,
        part.component_key,
        max(part.value_quantity) AS value_quantity,
        max(part.value_unit) AS value_unit,
        max(part.value_unit_code) AS value_unit_code,
        max(part.value_comparator) AS value_comparator,
        max(part.value_integer) AS value_integer,
        max(part.value_ordinal) AS ordinal,
        max(scale.scale) AS scale,
        max(answer.score) AS answer_score
    FROM part
    LEFT JOIN scale
        ON part.component_key = scale.resource_key AND scale.resource_type = 'ObservationComponent'
    LEFT JOIN answer
        ON part.component_key = answer.resource_key AND answer.resource_type = 'ObservationComponent'
    GROUP BY part.observation_key, part.component_index, part.component_key
),

valued_component AS (
    SELECT
        *,
        count(*) OVER (PARTITION BY observation_key) AS n_components
    FROM component
    WHERE coalesce(value_quantity, value_integer, answer_score, ordinal) IS NOT NULL
),

pain_observation AS (
    SELECT
        observation.*,
        own_scale.scale AS own_scale,
        answer.score AS answer_score,
        own_ordinal.ordinal
    FROM flat.observation AS observation
    LEFT JOIN scale AS own_scale
        ON observation.observation_key = own_scale.resource_key AND own_scale.resource_type = 'Observation'
    LEFT JOIN answer
        ON observation.observation_key = answer.resource_key AND answer.resource_type = 'Observation'
    LEFT JOIN own_ordinal ON observation.observation_key = own_ordinal.observation_key
    WHERE
        own_scale.scale IS NOT NULL
        OR observation.observation_key IN (
            SELECT valued_component.observation_key FROM valued_component
            WHERE valued_component.scale IS NOT NULL
        )
),

reading AS (
    SELECT
        observation_key,
        own_scale AS scale,
        '' AS form_prefix,
        value_quantity,
        value_unit_code,
        value_unit,
        value_comparator,
        value_integer,
        answer_score,
        ordinal,
        0 AS reading_order
    FROM pain_observation
    WHERE
        own_scale IS NOT NULL
        AND coalesce(value_quantity, value_integer, answer_score, ordinal) IS NOT NULL
    UNION ALL
    SELECT
        valued_component.observation_key,
        coalesce(valued_component.scale, pain_observation.own_scale) AS scale,
        'component_' AS form_prefix,
        valued_component.value_quantity,
        valued_component.value_unit_code,
        valued_component.value_unit,
        valued_component.value_comparator,
        valued_component.value_integer,
        valued_component.answer_score,
        valued_component.ordinal,
        CASE
            WHEN valued_component.scale = 'nprs' THEN 1
            WHEN valued_component.scale IS NOT NULL THEN 2
            ELSE 3
        END AS reading_order
    FROM valued_component
    INNER JOIN pain_observation ON valued_component.observation_key = pain_observation.observation_key
    WHERE valued_component.scale IS NOT NULL OR valued_component.n_components = 1
),

-- UCUM: whatever stands in braces alone is the unit 1.
united AS (
    SELECT
        *,
        coalesce(cast(value_quantity AS DOUBLE), value_integer, answer_score, ordinal) AS value_sent,
        concat(
            form_prefix,
            CASE
                WHEN value_quantity IS NOT NULL THEN 'quantity'
                WHEN value_integer IS NOT NULL THEN 'integer'
                WHEN answer_score IS NOT NULL THEN 'answer'
                ELSE 'ordinal'
            END
        ) AS value_form,
        CASE
            WHEN substr(trim(value_unit_code), 1, 1) = '{' THEN '{}'
            ELSE lower(trim(coalesce(value_unit_code, '')))
        END AS unit_code,
        CASE
            WHEN substr(trim(value_unit), 1, 1) = '{' THEN '{}'
            ELSE lower(trim(coalesce(value_unit, '')))
        END AS unit_text
    FROM reading
),

-- Numbers without a quantity have no unit to judge: they are in the measure's own.
judged AS (
    SELECT
        united.*,
        CASE
            WHEN united.value_quantity IS NULL THEN 1
            WHEN text_unit.measure IS NOT NULL AND text_unit.factor IS NULL THEN NULL
            WHEN united.unit_code <> '' THEN code_unit.factor
            ELSE text_unit.factor
        END AS factor
    FROM united
    LEFT JOIN ops.measure_unit AS code_unit
        ON
            united.scale = code_unit.measure
            AND code_unit.written = 'code'
            AND united.unit_code = code_unit.unit
    LEFT JOIN ops.measure_unit AS text_unit
        ON
            united.scale = text_unit.measure
            AND text_unit.written = 'text'
            AND united.unit_text = text_unit.unit
),

scored_reading AS (
    SELECT
        observation_key,
        scale,
        value_form,
        value_comparator,
        factor,
        value_sent * coalesce(factor, 1) AS score,
        CASE WHEN unit_code <> '' THEN unit_code ELSE unit_text END AS unit_sent,
        reading_order
    FROM judged
),

chosen_reading AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY observation_key
            ORDER BY
                reading_order ASC,
                CASE WHEN factor IS NULL THEN 1 ELSE 0 END ASC,
                score DESC
        ) AS choice
    FROM scored_reading
),

measured AS (
    SELECT
        pain_observation.observation_key,
        pain_observation.center_id,
        coalesce(survivor.survivor_key, pain_observation.patient_key) AS patient_key,
        pain_observation.run_id,
        pain_observation.status,
        coalesce(chosen_reading.scale, pain_observation.own_scale, 'nprs') AS scale,
        chosen_reading.score,
        chosen_reading.value_form,
        chosen_reading.unit_sent,
        chosen_reading.value_comparator,
        chosen_reading.factor
    FROM pain_observation
    LEFT JOIN flat.survivor AS survivor ON pain_observation.patient_key = survivor.patient_key
    LEFT JOIN chosen_reading
        ON pain_observation.observation_key = chosen_reading.observation_key AND chosen_reading.choice = 1
)

SELECT
    measured.observation_key AS pain_score_key,
    measured.center_id,
    measured.patient_key,
    measured.run_id,
    CASE
        WHEN
            measured.status IN (
                'registered', 'preliminary', 'final', 'amended', 'corrected', 'cancelled',
                'entered-in-error', 'unknown'
            )
            THEN measured.status
        WHEN measured.status IS NOT NULL THEN 'other'
    END AS status,
    measured.scale,
    measured.score,
    measured.value_form,
    measured.unit_sent,
    CASE
        WHEN measure.measure IS NULL THEN NULL
        WHEN measured.value_comparator IS NOT NULL THEN 'comparator present'
        WHEN measured.score IS NULL THEN 'no value'
        WHEN measured.factor IS NULL THEN 'unit is not one of the scale'
        WHEN measured.score < measure.low OR measured.score > measure.high THEN 'out of range'
    END AS rejected_reason
FROM measured
LEFT JOIN ops.measure AS measure ON measured.scale = measure.measure
