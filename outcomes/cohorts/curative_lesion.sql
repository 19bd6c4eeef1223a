-- table = "outcomes.curative_lesion"
-- title = "Lesions treated with curative intent"
-- grain = "one lesion"
-- key = ["lesion_key"]
-- needs = ["core.lesion", "core.local_control", "core.patient", "core.rule", "core.treatment"]
-- reference = "Ahmed et al. 2014, doi 10.1148/radiol.14132958 (local tumor progression); SIO-DATECAN 2021"
-- definition = """
-- Lesions whose treatment had curative intent, with their local control. Only assessments linked to the
-- lesion count; an assessment of the whole disease does not. A lesion is controlled when its last
-- assessment shows no local progression. Time starts at the lesion's own first treatment; the event is
-- the first local progression, and a lesion without one is censored at its last assessment. Lesions
-- never assessed stay in the cohort with NULLs. Of two assessments on one day, progression leads. A death
-- without a full date has no time.
-- """
-- [columns]
-- lesion_key = "Key of the lesion."
-- patient_key = "Key of the patient."
-- center_id = "Center that treated the lesion."
-- n_assessments = "Assessments of local control that count."
-- is_controlled = "Whether the last assessment shows no local progression; NULL when never assessed."
-- has_progressed = "Whether any assessment shows local progression; NULL when never assessed."
-- follow_up_months = "Months from first treatment to last assessment."
-- event_months = "Months from first treatment to first local progression; NULL without one."
-- death_months = "Months from first treatment to the patient's death; NULL without a dated one."
-- retreated_months = "Months from first treatment to the second session of the lesion; NULL without one."
WITH assessment AS (
    SELECT
        lesion_key,
        months_from_treatment,
        CASE WHEN status = 'progression' THEN 1 ELSE 0 END AS shows_progression,
        row_number() OVER (
            PARTITION BY lesion_key
            ORDER BY months_from_treatment DESC, status DESC, local_control_key ASC
        ) AS from_last
    FROM core.local_control
    WHERE
        is_usable
        AND lesion_key IS NOT NULL
        AND status IN ('controlled', 'progression')
),

followed_lesion AS (
    SELECT
        lesion_key,
        count(*) AS n_assessments,
        max(CASE WHEN from_last = 1 THEN 1 - shows_progression END) AS is_controlled,
        max(shows_progression) AS has_progressed,
        max(months_from_treatment) AS follow_up_months,
        min(CASE WHEN shows_progression = 1 THEN months_from_treatment END) AS event_months
    FROM assessment
    GROUP BY lesion_key
),

retreated_lesion AS (
    SELECT
        treatment.lesion_key,
        min(treatment.treated_date) AS retreated_date
    FROM core.treatment AS treatment
    INNER JOIN core.lesion AS lesion ON treatment.lesion_key = lesion.lesion_key
    WHERE treatment.treated_date > lesion.first_treated_date
    GROUP BY treatment.lesion_key
)

SELECT
    lesion.lesion_key,
    lesion.patient_key,
    lesion.center_id,
    coalesce(followed_lesion.n_assessments, 0) AS n_assessments,
    cast(followed_lesion.is_controlled AS BOOLEAN) AS is_controlled,
    cast(followed_lesion.has_progressed AS BOOLEAN) AS has_progressed,
    followed_lesion.follow_up_months,
    followed_lesion.event_months,
    date_diff('day', lesion.first_treated_date, patient.death_date) / nullif(rule.days_per_month, 0)
        AS death_months,
    date_diff('day', lesion.first_treated_date, retreated_lesion.retreated_date)
    / nullif(rule.days_per_month, 0) AS retreated_months
FROM core.lesion AS lesion
CROSS JOIN core.rule AS rule
INNER JOIN core.patient AS patient ON lesion.patient_key = patient.patient_key
LEFT JOIN retreated_lesion ON lesion.lesion_key = retreated_lesion.lesion_key
LEFT JOIN followed_lesion
    ON lesion.lesion_key = followed_lesion.lesion_key
WHERE lesion.intent = 'curative'
