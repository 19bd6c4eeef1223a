-- table = "flat.pain_value"
-- title = "Pain values read from Observations"
-- grain = "one pain Observation"
-- key = ["pain_score_key"]
-- needs = ["flat.observation", "flat.observation_coding", "flat.observation_component", "flat.concept"]
-- reference = "LOINC 72514-3 with UCUM {score} or 1, valueInteger, or LOINC answer codes"
-- definition = """
-- The scale is the numeric rating when any code of the Observation says so. The value is the Observation's
-- own quantity, integer or answer code; else that of the component with a pain code (highest first), else
-- that of its only component with a value. Answer codes become numbers by the code list, never by their
-- display: the display of the answer for 2 reads '2 or more'. An answer code counts only under the question
-- that the code list names for it, since other questions give the same code another number.
-- """
-- [columns]
-- pain_score_key = "Observation."
-- center_id = "Center that sent the Observation."
-- patient_key = "Patient."
-- run_id = "Run that landed this version."
-- status = "Observation.status; other for any code outside the FHIR value set."
-- scale = "nprs, vas, faces, verbal or interference."
-- score = "Value as sent; NULL when there is none."
-- value_form = "quantity, integer, answer, or one of these with the prefix component_; NULL without a value."
-- has_comparator = "The value was sent as less than or more than a number."
-- has_score_unit = "The unit is absent, 1, a UCUM annotation such as {score}, or a word for points."
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

question AS (
    SELECT
        'Observation' AS resource_type,
        observation_key AS resource_key,
        code AS question_code
    FROM flat.observation_coding
    WHERE element = 'code'
    UNION DISTINCT
    SELECT
        'ObservationComponent' AS resource_type,
        concat(observation_key, '#', component_index) AS resource_key,
        code AS question_code
    FROM flat.observation_component
    UNION DISTINCT
    SELECT
        'ObservationComponent' AS resource_type,
        concat(observation_component.observation_key, '#', observation_component.component_index)
            AS resource_key,
        observation_coding.code AS question_code
    FROM flat.observation_component AS observation_component
    INNER JOIN flat.observation_coding AS observation_coding
        ON
            observation_component.observation_key = observation_coding.observation_key
            AND observation_coding.element = 'code'
),

answer AS (
    SELECT
        concept.resource_type,
        concept.resource_key,
        max(try_cast(concept.concept AS INTEGER)) AS score
    FROM flat.concept AS concept
    LEFT JOIN question
        ON
            concept.resource_type = question.resource_type
            AND concept.resource_key = question.resource_key
            AND concept.requires = question.question_code
    WHERE
        concept.element = 'value'
        AND concept.code_set = 'pain_answer'
        AND (concept.requires = '' OR question.question_code IS NOT NULL)
    GROUP BY concept.resource_type, concept.resource_key
),

component AS (
    SELECT
        observation_component.*,
        scale.scale,
        answer.score AS answer_score,
        count(*) OVER (PARTITION BY observation_component.observation_key) AS n_components
    FROM flat.observation_component AS observation_component
    LEFT JOIN scale
        ON
            concat(observation_component.observation_key, '#', observation_component.component_index)
            = scale.resource_key
            AND scale.resource_type = 'ObservationComponent'
    LEFT JOIN answer
        ON
            concat(observation_component.observation_key, '#', observation_component.component_index)
            = answer.resource_key
            AND answer.resource_type = 'ObservationComponent'
    WHERE
        observation_component.value_quantity IS NOT NULL
        OR observation_component.value_integer IS NOT NULL
        OR answer.score IS NOT NULL
),

pain_observation AS (
    SELECT
        observation.*,
        own_scale.scale AS own_scale,
        answer.score AS answer_score
    FROM flat.observation AS observation
    LEFT JOIN scale AS own_scale
        ON observation.observation_key = own_scale.resource_key AND own_scale.resource_type = 'Observation'
    LEFT JOIN answer
        ON observation.observation_key = answer.resource_key AND answer.resource_type = 'Observation'
    WHERE
        own_scale.scale IS NOT NULL
        OR observation.observation_key IN (
            SELECT component.observation_key FROM component
            WHERE component.scale IS NOT NULL
        )
),

reading AS (
    SELECT
        observation_key,
        own_scale AS scale,
        'own' AS reading_from,
        value_quantity,
        lower(trim(coalesce(value_unit_code, ''))) AS unit_code,
        lower(trim(coalesce(value_unit, ''))) AS unit_text,
        value_comparator,
        value_integer,
        answer_score,
        0 AS reading_order
    FROM pain_observation
    WHERE
        own_scale IS NOT NULL
        AND (value_quantity IS NOT NULL OR value_integer IS NOT NULL OR answer_score IS NOT NULL)
    UNION ALL
    SELECT
        component.observation_key,
        coalesce(component.scale, pain_observation.own_scale) AS scale,
        'component' AS reading_from,
        component.value_quantity,
        lower(trim(coalesce(component.value_unit_code, ''))) AS unit_code,
        '' AS unit_text,
        cast(NULL AS VARCHAR) AS value_comparator,
        component.value_integer,
        component.answer_score,
        CASE WHEN component.scale = 'nprs' THEN 1 WHEN component.scale IS NOT NULL THEN 2 ELSE 3 END
            AS reading_order
    FROM component
    INNER JOIN pain_observation ON component.observation_key = pain_observation.observation_key
    WHERE component.scale IS NOT NULL OR component.n_components = 1
),

scored_reading AS (
    SELECT
        observation_key,
        scale,
        value_comparator,
        unit_text NOT IN ('mm', 'cm', '%')
        AND (
            unit_code IN ('1', '/10', 'score')
            OR substr(unit_code, 1, 1) = '{'
            OR (
                unit_code = ''
                AND (
                    unit_text IN (
                        '', '1', '/10', 'score', 'scores', 'point', 'points', 'level', 'nrs', 'nprs'
                    )
                    OR substr(unit_text, 1, 1) = '{'
                )
            )
        ) AS has_score_unit,
        coalesce(cast(value_quantity AS DOUBLE), value_integer, answer_score) AS score,
        concat(
            CASE WHEN reading_from = 'component' THEN 'component_' ELSE '' END,
            CASE
                WHEN value_quantity IS NOT NULL THEN 'quantity'
                WHEN value_integer IS NOT NULL THEN 'integer'
                ELSE 'answer'
            END
        ) AS value_form,
        reading_order
    FROM reading
),

chosen_reading AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY observation_key
            ORDER BY reading_order ASC, has_score_unit DESC, score DESC
        ) AS choice
    FROM scored_reading
)

SELECT
    pain_observation.observation_key AS pain_score_key,
    pain_observation.center_id,
    pain_observation.patient_key,
    pain_observation.run_id,
    CASE
        WHEN
            pain_observation.status IN (
                'registered', 'preliminary', 'final', 'amended', 'corrected', 'cancelled',
                'entered-in-error', 'unknown'
            )
            THEN pain_observation.status
        WHEN pain_observation.status IS NOT NULL THEN 'other'
    END AS status,
    coalesce(chosen_reading.scale, pain_observation.own_scale, 'nprs') AS scale,
    chosen_reading.score,
    chosen_reading.value_form,
    chosen_reading.value_comparator IS NOT NULL AS has_comparator,
    coalesce(chosen_reading.has_score_unit, TRUE) AS has_score_unit
FROM pain_observation
LEFT JOIN chosen_reading
    ON pain_observation.observation_key = chosen_reading.observation_key AND chosen_reading.choice = 1
