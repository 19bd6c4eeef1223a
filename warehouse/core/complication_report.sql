-- table = "flat.complication_report"
-- title = "Reports of complications"
-- grain = "one report of one event about a cohort patient, by one of three routes"
-- key = ["report_key"]
-- needs = [
--     "flat.adverse_event", "flat.adverse_event_coding", "flat.adverse_event_reference", "flat.procedure",
--     "flat.procedure_coding", "flat.procedure_reference", "flat.condition", "flat.concept", "flat.dated",
--     "flat.ablation", "flat.treated_level", "flat.cemented_lesion", "flat.cohort", "core.session",
--     "core.rule",
--     "flat.survivor",
-- ]
-- owner = ["'Patient'", "patient_key"]
-- reference = "HL7 FHIR AdverseEvent (R4 and R5), Procedure.complication; SIR standards of practice: 30 days"
-- definition = """
-- Three routes: AdverseEvents, complications noted on the ablation (or on its cementoplasty), Conditions
-- with a complication code. A report belongs to the session of the Procedure it names as suspect, else to
-- the latest session up to 30 days before it (both ends included); a Condition needs its onset (else its
-- recording) in that time. A suspect whose session is later than the event did not cause it. An event that
-- occurred or had its onset after death is none; one detected or recorded after death may be. An AdverseEvent
-- that blames only Procedures we know and did not count as treatments is not a complication of one. The
-- lesion is known only when the Procedure treats exactly one.
-- """
-- [columns]
-- report_key = "Route, resource and event."
-- center_id = "Center that sent the report."
-- patient_key = "Patient."
-- run_id = "Run that landed this version."
-- route = "AdverseEvent, Procedure or Condition."
-- route_order = "1 to 3 in this order."
-- resource_type = "Resource the grade is read from."
-- resource_key = "Key of that resource."
-- event_concept = "What happened; NULL when its code means no complication of the code list."
-- event_identity = "What reports of one event share: the concept, else the code as sent, else the report."
-- occurred_date = "Local calendar day, the Procedure's own when a complication noted on it has no date."
-- session_key = "Session it belongs to; NULL when none."
-- lesion_key = "Lesion, when the Procedure treats exactly one."
-- exclusion_reason = "Why it is no complication of a session; NULL when it is."
WITH treating_procedure AS (
    SELECT
        treated_level.procedure_key,
        treated_level.patient_key,
        treated_level.lesion_key,
        ablation.performed_date
    FROM flat.treated_level AS treated_level
    INNER JOIN flat.ablation AS ablation ON treated_level.procedure_key = ablation.procedure_key
    WHERE ablation.exclusion_step IS NULL
    UNION DISTINCT
    SELECT
        cemented_lesion.cementoplasty_key AS procedure_key,
        ablation.patient_key,
        cemented_lesion.lesion_key,
        ablation.performed_date
    FROM flat.cemented_lesion AS cemented_lesion
    INNER JOIN flat.ablation AS ablation ON cemented_lesion.procedure_key = ablation.procedure_key
    WHERE ablation.exclusion_step IS NULL
),

treating AS (
    SELECT
        procedure_key,
        patient_key,
        concat(patient_key, '/', performed_date) AS session_key,
        performed_date AS session_date,
        CASE WHEN count(DISTINCT lesion_key) = 1 THEN min(lesion_key) END AS lesion_key
    FROM treating_procedure
    GROUP BY procedure_key, patient_key, performed_date
),

-- A generic 'complication of a procedure' says less than any other concept.
coded_event AS (
    SELECT
        resource_type,
        resource_key,
        coalesce(min(CASE WHEN concept <> 'procedure_complication' THEN concept END), min(concept)) AS concept
    FROM flat.concept
    WHERE
        code_set = 'complication'
        AND (
            (resource_type = 'AdverseEvent' AND element = 'event')
            OR (resource_type = 'Condition' AND element = 'code')
        )
    GROUP BY resource_type, resource_key
),

known_condition AS (
    SELECT
        condition.condition_key,
        condition.center_id,
        coalesce(survivor.survivor_key, condition.patient_key) AS patient_key,
        condition.run_id,
        coded_event.concept,
        onset.dated_date AS happened_date,
        coalesce(onset.dated_date, recorded.dated_date) AS occurred_date,
        coalesce(onset.latest_date, recorded.latest_date) AS latest_date
    FROM flat.condition AS condition
    LEFT JOIN flat.survivor AS survivor ON condition.patient_key = survivor.patient_key
    LEFT JOIN coded_event
        ON condition.condition_key = coded_event.resource_key AND coded_event.resource_type = 'Condition'
    LEFT JOIN flat.dated AS onset
        ON
            condition.condition_key = onset.resource_key
            AND onset.resource_type = 'Condition'
            AND onset.element = 'onset'
    LEFT JOIN flat.dated AS recorded
        ON
            condition.condition_key = recorded.resource_key
            AND recorded.resource_type = 'Condition'
            AND recorded.element = 'recorded'
    WHERE coalesce(condition.verification_status, '') NOT IN ('refuted', 'entered-in-error')
),

effect AS (
    SELECT
        adverse_event_reference.adverse_event_key,
        min(known_condition.concept) AS concept
    FROM flat.adverse_event_reference AS adverse_event_reference
    INNER JOIN known_condition ON adverse_event_reference.target_key = known_condition.condition_key
    WHERE adverse_event_reference.element = 'effect'
    GROUP BY adverse_event_reference.adverse_event_key
),

sent_event AS (
    SELECT
        adverse_event_key,
        min(concat(system, '|', code)) AS sent_code
    FROM flat.adverse_event_coding
    WHERE element = 'event' AND code IS NOT NULL
    GROUP BY adverse_event_key
),

event_date AS (
    SELECT
        resource_key AS adverse_event_key,
        dated_date,
        latest_date,
        CASE WHEN element = 'occurred' THEN dated_date END AS happened_date,
        row_number() OVER (
            PARTITION BY resource_key
            ORDER BY CASE element WHEN 'occurred' THEN 1 WHEN 'detected' THEN 2 ELSE 3 END
        ) AS choice
    FROM flat.dated
    WHERE resource_type = 'AdverseEvent'
),

blamed AS (
    SELECT
        adverse_event_reference.adverse_event_key,
        treating.session_key,
        treating.session_date,
        treating.lesion_key,
        treating.patient_key,
        procedure.procedure_key,
        coalesce(treating.session_date > event_date.latest_date, FALSE) AS is_later
    FROM flat.adverse_event_reference AS adverse_event_reference
    LEFT JOIN flat.procedure AS procedure ON adverse_event_reference.target_key = procedure.procedure_key
    LEFT JOIN treating ON adverse_event_reference.target_key = treating.procedure_key
    LEFT JOIN event_date
        ON
            adverse_event_reference.adverse_event_key = event_date.adverse_event_key
            AND event_date.choice = 1
    WHERE adverse_event_reference.element = 'suspect' AND adverse_event_reference.target_key IS NOT NULL
),

-- A later session is the last choice: another suspect may have caused the event.
suspect AS (
    SELECT
        *,
        procedure_key IS NOT NULL AS is_known,
        row_number() OVER (
            PARTITION BY adverse_event_key
            ORDER BY
                is_later ASC,
                session_date DESC NULLS LAST,
                lesion_key ASC NULLS LAST,
                procedure_key ASC NULLS FIRST
        ) AS choice,
        min(lesion_key) OVER (PARTITION BY adverse_event_key, is_later)
        = max(lesion_key) OVER (PARTITION BY adverse_event_key, is_later) AS is_one_lesion
    FROM blamed
),

adverse_event_report AS (
    SELECT
        concat('AdverseEvent/', adverse_event.adverse_event_key) AS report_key,
        adverse_event.center_id,
        coalesce(survivor.survivor_key, adverse_event.patient_key) AS patient_key,
        adverse_event.run_id,
        'AdverseEvent' AS route,
        1 AS route_order,
        'AdverseEvent' AS resource_type,
        adverse_event.adverse_event_key AS resource_key,
        coalesce(coded_event.concept, effect.concept) AS event_concept,
        sent_event.sent_code,
        event_date.happened_date,
        event_date.dated_date AS occurred_date,
        suspect.session_key AS suspect_session_key,
        CASE WHEN suspect.is_one_lesion THEN suspect.lesion_key END AS lesion_key,
        CASE
            WHEN coalesce(adverse_event.status, '') = 'entered-in-error' THEN 'entered in error'
            WHEN coalesce(adverse_event.actuality, 'missing') <> 'actual' THEN 'event is not actual'
            WHEN suspect.is_known AND suspect.session_key IS NULL THEN 'caused by another procedure'
            WHEN suspect.is_later THEN 'before its suspect session'
        END AS invalid_reason
    FROM flat.adverse_event AS adverse_event
    LEFT JOIN flat.survivor AS survivor ON adverse_event.patient_key = survivor.patient_key
    LEFT JOIN coded_event
        ON
            adverse_event.adverse_event_key = coded_event.resource_key
            AND coded_event.resource_type = 'AdverseEvent'
    LEFT JOIN effect ON adverse_event.adverse_event_key = effect.adverse_event_key
    LEFT JOIN sent_event ON adverse_event.adverse_event_key = sent_event.adverse_event_key
    LEFT JOIN event_date
        ON adverse_event.adverse_event_key = event_date.adverse_event_key AND event_date.choice = 1
    LEFT JOIN suspect
        ON
            adverse_event.adverse_event_key = suspect.adverse_event_key
            AND suspect.choice = 1
            AND coalesce(suspect.patient_key, survivor.survivor_key, adverse_event.patient_key)
            = coalesce(survivor.survivor_key, adverse_event.patient_key)
),

noted_concept AS (
    SELECT DISTINCT
        resource_key AS procedure_key,
        concept
    FROM flat.concept
    WHERE resource_type = 'Procedure' AND element = 'complication' AND code_set = 'complication'
),

noted_code AS (
    SELECT
        procedure_coding.procedure_key,
        min(concat(procedure_coding.system, '|', procedure_coding.code)) AS sent_code
    FROM flat.procedure_coding AS procedure_coding
    WHERE
        procedure_coding.element = 'complication'
        AND procedure_coding.procedure_key NOT IN (SELECT noted_concept.procedure_key FROM noted_concept)
    GROUP BY procedure_coding.procedure_key
),

noted_event AS (
    SELECT
        procedure_key,
        concept AS event_concept,
        cast(NULL AS VARCHAR) AS sent_code,
        concept AS event_key,
        'Procedure' AS resource_type,
        procedure_key AS resource_key,
        cast(NULL AS DATE) AS happened_date,
        cast(NULL AS DATE) AS occurred_date,
        cast(NULL AS DATE) AS latest_date
    FROM noted_concept
    UNION ALL
    SELECT
        procedure_key,
        cast(NULL AS VARCHAR) AS event_concept,
        sent_code,
        'code' AS event_key,
        'Procedure' AS resource_type,
        procedure_key AS resource_key,
        cast(NULL AS DATE) AS happened_date,
        cast(NULL AS DATE) AS occurred_date,
        cast(NULL AS DATE) AS latest_date
    FROM noted_code
    UNION ALL
    SELECT
        procedure_reference.procedure_key,
        known_condition.concept AS event_concept,
        known_condition.condition_key AS sent_code,
        known_condition.condition_key AS event_key,
        'Condition' AS resource_type,
        known_condition.condition_key AS resource_key,
        known_condition.happened_date,
        known_condition.occurred_date,
        known_condition.latest_date
    FROM flat.procedure_reference AS procedure_reference
    INNER JOIN known_condition ON procedure_reference.target_key = known_condition.condition_key
    WHERE procedure_reference.element = 'complication'
),

procedure_report AS (
    SELECT
        concat('Procedure/', noted_event.procedure_key, '/', noted_event.event_key) AS report_key,
        procedure.center_id,
        coalesce(survivor.survivor_key, procedure.patient_key) AS patient_key,
        procedure.run_id,
        'Procedure' AS route,
        2 AS route_order,
        noted_event.resource_type,
        noted_event.resource_key,
        noted_event.event_concept,
        noted_event.sent_code,
        noted_event.happened_date,
        coalesce(noted_event.occurred_date, treating.session_date) AS occurred_date,
        treating.session_key AS suspect_session_key,
        treating.lesion_key,
        CASE
            WHEN noted_event.latest_date < treating.session_date THEN 'before its suspect session'
        END AS invalid_reason
    FROM noted_event
    INNER JOIN flat.procedure AS procedure ON noted_event.procedure_key = procedure.procedure_key
    LEFT JOIN flat.survivor AS survivor ON procedure.patient_key = survivor.patient_key
    INNER JOIN treating ON noted_event.procedure_key = treating.procedure_key
),

condition_report AS (
    SELECT
        concat('Condition/', condition_key) AS report_key,
        center_id,
        patient_key,
        run_id,
        'Condition' AS route,
        3 AS route_order,
        'Condition' AS resource_type,
        condition_key AS resource_key,
        concept AS event_concept,
        cast(NULL AS VARCHAR) AS sent_code,
        happened_date,
        occurred_date,
        cast(NULL AS VARCHAR) AS suspect_session_key,
        cast(NULL AS VARCHAR) AS lesion_key,
        cast(NULL AS VARCHAR) AS invalid_reason
    FROM known_condition
    WHERE concept IS NOT NULL
),

report AS (
    SELECT *
    FROM adverse_event_report
    UNION ALL
    SELECT *
    FROM procedure_report
    UNION ALL
    SELECT *
    FROM condition_report
),

session_before AS (
    SELECT
        report.report_key,
        max(session_day.session_date) AS session_date
    FROM report
    INNER JOIN core.session AS session_day
        ON report.patient_key = session_day.patient_key AND report.occurred_date >= session_day.session_date
    GROUP BY report.report_key
),

placed AS (
    SELECT
        report.*,
        session_before.session_date AS date_session_date,
        date_diff('day', session_before.session_date, report.occurred_date) AS days_after_session,
        CASE
            WHEN report.invalid_reason IS NOT NULL THEN report.invalid_reason
            WHEN
                report.happened_date > cohort.observed_until AND cohort.observed_until < study_rule.data_lock
                THEN 'after death'
            WHEN report.occurred_date > study_rule.data_lock THEN 'after the data lock'
            WHEN report.suspect_session_key IS NOT NULL THEN NULL
            WHEN report.occurred_date IS NULL THEN 'no full date'
            WHEN session_before.session_date IS NULL THEN 'before the first session'
            WHEN
                date_diff('day', session_before.session_date, report.occurred_date)
                > study_rule.complication_days
                THEN 'too long after a session'
        END AS exclusion_reason
    FROM report
    INNER JOIN flat.cohort AS cohort ON report.patient_key = cohort.patient_key
    CROSS JOIN core.rule AS study_rule
    LEFT JOIN session_before ON report.report_key = session_before.report_key
)

SELECT
    report_key,
    center_id,
    patient_key,
    run_id,
    route,
    route_order,
    resource_type,
    resource_key,
    event_concept,
    coalesce(event_concept, sent_code, report_key) AS event_identity,
    occurred_date,
    CASE
        WHEN exclusion_reason IS NULL
            THEN coalesce(suspect_session_key, concat(patient_key, '/', date_session_date))
    END AS session_key,
    CASE WHEN exclusion_reason IS NULL THEN lesion_key END AS lesion_key,
    exclusion_reason
FROM placed
