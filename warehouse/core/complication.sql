-- table = "core.complication"
-- title = "Complications"
-- grain = "one event after one session, however many reports there are of it"
-- key = ["complication_key"]
-- needs = ["flat.complication_report", "flat.concept", "core.session", "core.rule"]
-- owner = ["'Patient'", "patient_key"]
-- reference = """
-- SIR classification A-F; CIRSE classification 2017 (doi 10.1007/s00270-017-1703-4); CTCAE v5; FHIR
-- adverse-event-severity. Major from CIRSE 3 and CTCAE 3 on is a convention.
-- """
-- definition = """
-- Reports of the same patient, session and event whose dates lie no more than three days apart are one
-- event; reports about two different lesions stay two. The first route leads: AdverseEvent, Procedure,
-- Condition. The grade is the best scale any of its reports has, worst grade within it: SIR, CIRSE, CTCAE (a
-- fatal outcome is CTCAE 5), then the FHIR severity as the last resort. Scales are never converted, but an
-- event with a fatal outcome is major whatever its grade; an event without a grade has no class.
-- """
-- [columns]
-- complication_key = "Leading report of the event."
-- center_id = "Center that reported."
-- patient_key = "Patient."
-- session_key = "Session the event belongs to."
-- lesion_key = "Lesion, when a Procedure that treats exactly one is blamed."
-- route = "Leading route: AdverseEvent, Procedure or Condition."
-- n_reports = "Reports merged into this event."
-- occurred_date = "Local calendar day in the leading report, else the earliest in another."
-- days_from_session = "Calendar days from the session."
-- event_concept = "What happened; NULL when its code means no complication of the code list."
-- scale = "SIR, CIRSE, CTCAE or FHIR severity; NULL without a grade."
-- grade = "Grade on that scale as sent."
-- class = "minor or major; NULL without a grade."
-- rule = "Rule that gave the class."
-- run_id = "Latest run that landed one of the reports."
-- resource_type = "FHIR type of the resource it comes from."
-- resource_key = "Resource of the leading report."
WITH report AS (
    SELECT
        *,
        lag(occurred_date) OVER (
            PARTITION BY patient_key, session_key, event_identity
            ORDER BY occurred_date ASC NULLS LAST, route_order ASC, report_key ASC
        ) AS previous_date
    FROM flat.complication_report
    WHERE exclusion_reason IS NULL
),

event_spell AS (
    SELECT
        report.*,
        sum(
            CASE
                WHEN
                    date_diff('day', report.previous_date, report.occurred_date) > study_rule.event_merge_days
                    THEN 1
                ELSE 0
            END
        ) OVER (
            PARTITION BY report.patient_key, report.session_key, report.event_identity
            ORDER BY report.occurred_date ASC NULLS LAST, report.route_order ASC, report.report_key ASC
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS spell
    FROM report
    CROSS JOIN core.rule AS study_rule
),

-- A report that names no lesion joins the first lesion of its spell.
event_lesion AS (
    SELECT
        *,
        coalesce(
            lesion_key,
            min(lesion_key) OVER (PARTITION BY patient_key, session_key, event_identity, spell)
        ) AS event_lesion_key
    FROM event_spell
),

grade_reading AS (
    SELECT
        resource_type,
        resource_key,
        CASE code_set
            WHEN 'sir_class' THEN 'SIR'
            WHEN 'cirse_grade' THEN 'CIRSE'
            WHEN 'ae_severity' THEN 'FHIR severity'
            ELSE 'CTCAE'
        END AS scale,
        CASE code_set
            WHEN 'sir_class' THEN 1
            WHEN 'cirse_grade' THEN 2
            WHEN 'ae_severity' THEN 4
            ELSE 3
        END AS scale_order,
        CASE code_set WHEN 'ae_outcome' THEN '5' ELSE concept END AS grade,
        code_set = 'ae_outcome' AS is_fatal_outcome
    FROM flat.concept
    WHERE
        code_set IN ('sir_class', 'cirse_grade', 'ctcae_grade', 'ae_severity')
        OR (code_set = 'ae_outcome' AND concept = 'fatal')
),

-- Letters, digits and mild < moderate < severe all sort from harmless to worst.
ranked_report AS (
    SELECT
        event_lesion.*,
        grade_reading.scale,
        grade_reading.grade,
        grade_reading.is_fatal_outcome,
        row_number() OVER (
            PARTITION BY
                event_lesion.patient_key,
                event_lesion.session_key,
                event_lesion.event_identity,
                event_lesion.spell,
                event_lesion.event_lesion_key
            ORDER BY event_lesion.route_order ASC, event_lesion.report_key ASC
        ) AS report_rank,
        row_number() OVER (
            PARTITION BY
                event_lesion.patient_key,
                event_lesion.session_key,
                event_lesion.event_identity,
                event_lesion.spell,
                event_lesion.event_lesion_key
            ORDER BY
                grade_reading.scale_order ASC NULLS LAST,
                grade_reading.grade DESC,
                event_lesion.route_order ASC,
                event_lesion.report_key ASC
        ) AS grade_rank
    FROM event_lesion
    LEFT JOIN grade_reading
        ON
            event_lesion.resource_type = grade_reading.resource_type
            AND event_lesion.resource_key = grade_reading.resource_key
),

event AS (
    SELECT
        center_id,
        patient_key,
        session_key,
        event_lesion_key AS lesion_key,
        max(CASE WHEN report_rank = 1 THEN report_key END) AS complication_key,
        max(CASE WHEN report_rank = 1 THEN route END) AS route,
        max(CASE WHEN report_rank = 1 THEN resource_type END) AS resource_type,
        max(CASE WHEN report_rank = 1 THEN resource_key END) AS resource_key,
        count(DISTINCT report_key) AS n_reports,
        coalesce(max(CASE WHEN report_rank = 1 THEN occurred_date END), min(occurred_date)) AS occurred_date,
        max(event_concept) AS event_concept,
        max(CASE WHEN grade_rank = 1 THEN scale END) AS scale,
        max(CASE WHEN grade_rank = 1 THEN grade END) AS grade,
        coalesce(bool_or(is_fatal_outcome), FALSE) AS has_fatal_outcome,
        max(run_id) AS run_id
    FROM ranked_report
    GROUP BY center_id, patient_key, session_key, event_identity, spell, event_lesion_key
)

SELECT
    event.complication_key,
    event.center_id,
    event.patient_key,
    event.session_key,
    event.lesion_key,
    event.route,
    event.n_reports,
    event.occurred_date,
    date_diff('day', session_day.session_date, event.occurred_date) AS days_from_session,
    event.event_concept,
    event.scale,
    event.grade,
    CASE
        WHEN event.has_fatal_outcome THEN 'major'
        WHEN event.scale = 'SIR' AND event.grade IN ('A', 'B') THEN 'minor'
        WHEN event.scale IN ('CIRSE', 'CTCAE') AND event.grade IN ('1', '2') THEN 'minor'
        WHEN event.scale = 'FHIR severity' AND event.grade IN ('mild', 'moderate') THEN 'minor'
        WHEN event.scale IS NOT NULL THEN 'major'
    END AS class,
    CASE
        WHEN event.has_fatal_outcome AND event.scale = 'CTCAE' THEN 'fatal outcome = CTCAE 5'
        WHEN event.has_fatal_outcome THEN 'fatal outcome: major whatever the grade'
        WHEN event.scale = 'SIR' THEN 'SIR: A-B minor, C-F major'
        WHEN event.scale = 'CIRSE' THEN 'CIRSE: 1-2 minor, 3-6 major'
        WHEN event.scale = 'CTCAE' THEN 'CTCAE: 1-2 minor, 3-5 major'
        WHEN event.scale = 'FHIR severity' THEN 'FHIR severity: mild and moderate minor, severe major'
        ELSE 'no grade'
    END AS rule,
    event.run_id,
    event.resource_type,
    event.resource_key
FROM event
INNER JOIN core.session AS session_day ON event.session_key = session_day.session_key
