-- table = "core.local_control"
-- title = "Local control assessments"
-- grain = "one disease-status Observation of a cohort patient and lesion it is about"
-- key = ["local_control_key"]
-- needs = [
--     "flat.observation", "flat.observation_reference", "flat.concept", "flat.dated", "flat.spine_site",
--     "flat.lesion_focus", "flat.treated_level", "flat.cohort", "core.lesion", "core.rule",
--     "flat.survivor",
-- ]
-- owner = ["'Patient'", "patient_key"]
-- reference = "mCODE 4.0.0 cancer disease status (LOINC 97509-4); SIO-DATECAN consensus 2021; RECIST answers"
-- definition = """
-- A status counts for a lesion only when the Observation's focus (or BodyStructure) leads to it, or, when no
-- focus leads to any lesion, when its body site is the lesion's level. A status without a lesion is one of
-- the whole disease: it is kept as unlinked and never counted. It must be later than the day of the lesion's
-- first treatment. Several values of one Observation: progression goes before distant, not assessed,
-- controlled.
-- """
-- [columns]
-- local_control_key = "Observation, followed by '>' and the lesion key when it is linked to one."
-- observation_key = "Observation."
-- center_id = "Center that sent the Observation."
-- patient_key = "Patient."
-- run_id = "Run that landed this version."
-- lesion_key = "Lesion; NULL when unlinked."
-- assessed_date = "Local calendar day; NULL for partial dates."
-- days_from_treatment = "Calendar days from the lesion's first treatment."
-- months_from_treatment = "The same in months of the study rules (30.4375 days)."
-- status = "controlled, progression, not_assessed or distant; NULL when the value means none of them."
-- is_usable = "The assessment counts for local control."
-- exclusion_reason = "Why it does not count; NULL when it does."
-- link = "focus_condition, focus_body_structure, body_structure, body_site, or NULL when unlinked."
-- resource_type = "FHIR type of the resource it comes from."
-- resource_key = "The Observation."
WITH assessment AS (
    SELECT DISTINCT
        observation.observation_key,
        observation.center_id,
        coalesce(survivor.survivor_key, observation.patient_key) AS patient_key,
        observation.run_id,
        CASE
            WHEN
                observation.status IN (
                    'registered', 'preliminary', 'final', 'amended', 'corrected', 'cancelled',
                    'entered-in-error', 'unknown'
                )
                THEN observation.status
            WHEN observation.status IS NOT NULL THEN 'other'
        END AS observation_status,
        observation.body_structure_key
    FROM flat.observation AS observation
    LEFT JOIN flat.survivor AS survivor ON observation.patient_key = survivor.patient_key
    INNER JOIN flat.concept AS concept
        ON
            observation.observation_key = concept.resource_key
            AND concept.resource_type = 'Observation'
            AND concept.element = 'code'
            AND concept.code_set = 'disease_status'
),

assessed_value AS (
    SELECT
        resource_key AS observation_key,
        CASE
            WHEN bool_or(concept = 'progression') THEN 'progression'
            WHEN bool_or(concept = 'distant') THEN 'distant'
            WHEN bool_or(concept = 'not_assessed') THEN 'not_assessed'
            ELSE 'controlled'
        END AS status
    FROM flat.concept
    WHERE resource_type = 'Observation' AND element = 'value' AND code_set = 'disease_status_value'
    GROUP BY resource_key
),

focused AS (
    SELECT
        observation_key,
        target_type AS resource_type,
        target_key AS resource_key,
        CASE WHEN target_type = 'Condition' THEN 'focus_condition' ELSE 'focus_body_structure' END AS link,
        CASE WHEN target_type = 'Condition' THEN 1 ELSE 2 END AS link_order
    FROM flat.observation_reference
    WHERE element = 'focus' AND target_key IS NOT NULL
    UNION ALL
    SELECT
        observation_key,
        'BodyStructure' AS resource_type,
        body_structure_key AS resource_key,
        'body_structure' AS link,
        3 AS link_order
    FROM assessment
    WHERE body_structure_key IS NOT NULL
),

focus_link AS (
    SELECT
        assessment.observation_key,
        lesion_focus.lesion_key,
        focused.link,
        focused.link_order
    FROM assessment
    INNER JOIN focused ON assessment.observation_key = focused.observation_key
    INNER JOIN flat.lesion_focus AS lesion_focus
        ON
            focused.resource_type = lesion_focus.resource_type
            AND focused.resource_key = lesion_focus.resource_key
            AND assessment.patient_key = lesion_focus.patient_key
),

-- Many servers put the primary cancer into the focus and the lesion into the body site.
linked AS (
    SELECT *
    FROM focus_link
    UNION ALL
    SELECT
        assessment.observation_key,
        lesion.lesion_key,
        'body_site' AS link,
        4 AS link_order
    FROM assessment
    INNER JOIN flat.spine_site AS spine_site
        ON
            assessment.observation_key = spine_site.resource_key
            AND spine_site.resource_type = 'Observation'
    INNER JOIN flat.treated_level AS treated_level
        ON
            assessment.patient_key = treated_level.patient_key
            AND spine_site.level = treated_level.site
    INNER JOIN core.lesion AS lesion ON treated_level.lesion_key = lesion.lesion_key
    LEFT JOIN focus_link ON assessment.observation_key = focus_link.observation_key
    WHERE focus_link.observation_key IS NULL
),

focused_observation AS (
    SELECT DISTINCT observation_key
    FROM focused
),

strongest_link AS (
    SELECT
        observation_key,
        lesion_key,
        link,
        row_number() OVER (PARTITION BY observation_key, lesion_key ORDER BY link_order) AS choice
    FROM linked
),

placed AS (
    SELECT
        assessment.*,
        strongest_link.lesion_key,
        strongest_link.link,
        assessed_value.status,
        effective.dated_date AS assessed_date,
        date_diff('day', lesion.first_treated_date, effective.dated_date) AS days_from_treatment,
        study_rule.days_per_month,
        CASE
            WHEN assessment.observation_status IS NULL THEN 'status missing'
            WHEN assessment.observation_status NOT IN ('final', 'amended', 'corrected')
                THEN 'status ' || assessment.observation_status
            WHEN
                strongest_link.lesion_key IS NULL
                AND focused_observation.observation_key IS NOT NULL
                THEN 'focus is not one treated lesion'
            WHEN strongest_link.lesion_key IS NULL THEN 'no lesion focus'
            WHEN assessed_value.status IS NULL THEN 'value means no status'
            WHEN assessed_value.status = 'not_assessed' THEN 'not assessed'
            WHEN assessed_value.status = 'distant' THEN 'distant disease, not local'
            WHEN effective.resource_key IS NULL THEN 'no date'
            WHEN effective.dated_date IS NULL THEN 'partial date'
            WHEN effective.dated_date <= lesion.first_treated_date THEN 'not after the first treatment'
            WHEN
                effective.dated_date > cohort.observed_until AND cohort.observed_until < study_rule.data_lock
                THEN 'after death'
            WHEN effective.dated_date > study_rule.data_lock THEN 'after the data lock'
        END AS exclusion_reason
    FROM assessment
    INNER JOIN flat.cohort AS cohort ON assessment.patient_key = cohort.patient_key
    CROSS JOIN core.rule AS study_rule
    LEFT JOIN strongest_link
        ON assessment.observation_key = strongest_link.observation_key AND strongest_link.choice = 1
    LEFT JOIN focused_observation ON assessment.observation_key = focused_observation.observation_key
    LEFT JOIN core.lesion AS lesion ON strongest_link.lesion_key = lesion.lesion_key
    LEFT JOIN assessed_value ON assessment.observation_key = assessed_value.observation_key
    LEFT JOIN flat.dated AS effective
        ON
            assessment.observation_key = effective.resource_key
            AND effective.resource_type = 'Observation'
            AND effective.element = 'effective'
)

SELECT
    concat(observation_key, '>' || lesion_key) AS local_control_key,
    observation_key,
    center_id,
    patient_key,
    run_id,
    lesion_key,
    assessed_date,
    days_from_treatment,
    days_from_treatment / nullif(days_per_month, 0) AS months_from_treatment,
    status,
    exclusion_reason IS NULL AS is_usable,
    exclusion_reason,
    link,
    'Observation' AS resource_type,
    observation_key AS resource_key
FROM placed
