-- table = "core.patient_link"
-- title = "Merged patients"
-- grain = "one patient whom the center has merged into another"
-- key = ["patient_key"]
-- needs = ["flat.patient_link"]
-- owner = ["'Patient'", "patient_key"]
-- reference = "HL7 FHIR Patient.link, https://hl7.org/fhir/R4/patient.html#links"
-- definition = """
-- A merge is told by `replaced-by` on the patient that was replaced, by `replaces` on the one that stays, or
-- by both; other links say nothing about identity. Merges are followed to the patient whom nobody replaced.
-- Made anew from the current links each time, so a merge that was undone is gone.
-- """
-- [columns]
-- patient_key = "Patient that was replaced."
-- center_id = "Center that merged."
-- survivor_patient_key = "Patient that stands for it now; NULL when the links contradict each other."
-- problem = "cycle, several survivors, or NULL."
-- run_id = "Latest run that landed a Patient which tells the merge."
-- resource_type = "FHIR type of the resource it comes from."
-- resource_key = "The Patient that tells the merge; the replaced one when both do."
WITH RECURSIVE replacement AS (
    SELECT
        center_id,
        patient_key,
        other_key AS survivor_key
    FROM flat.patient_link
    WHERE link_type = 'replaced-by'
    UNION DISTINCT
    SELECT
        center_id,
        other_key AS patient_key,
        patient_key AS survivor_key
    FROM flat.patient_link
    WHERE link_type = 'replaces'
),

reached AS (
    SELECT
        center_id,
        patient_key,
        survivor_key
    FROM replacement
    UNION DISTINCT
    SELECT
        reached.center_id,
        reached.patient_key,
        replacement.survivor_key
    FROM reached
    INNER JOIN replacement ON reached.survivor_key = replacement.patient_key
),

judged AS (
    SELECT
        reached.center_id,
        reached.patient_key,
        max(CASE WHEN replaced.patient_key IS NULL THEN reached.survivor_key END) AS survivor_key,
        count(DISTINCT CASE WHEN replaced.patient_key IS NULL THEN reached.survivor_key END) AS n_survivors
    FROM reached
    LEFT JOIN replacement AS replaced ON reached.survivor_key = replaced.patient_key
    GROUP BY reached.center_id, reached.patient_key
),

telling AS (
    SELECT
        patient_key,
        run_id,
        patient_key AS telling_key,
        1 AS telling_order
    FROM flat.patient_link
    WHERE link_type = 'replaced-by'
    UNION ALL
    SELECT
        other_key AS patient_key,
        run_id,
        patient_key AS telling_key,
        2 AS telling_order
    FROM flat.patient_link
    WHERE link_type = 'replaces'
),

told AS (
    SELECT
        patient_key,
        max(run_id) AS run_id,
        coalesce(
            min(CASE WHEN telling_order = 1 THEN telling_key END), min(telling_key)
        ) AS resource_key
    FROM telling
    GROUP BY patient_key
)

SELECT
    judged.patient_key,
    judged.center_id,
    CASE WHEN judged.n_survivors = 1 THEN judged.survivor_key END AS survivor_patient_key,
    CASE
        WHEN judged.n_survivors = 0 THEN 'cycle'
        WHEN judged.n_survivors > 1 THEN 'several survivors'
    END AS problem,
    told.run_id,
    'Patient' AS resource_type,
    told.resource_key
FROM judged
INNER JOIN told ON judged.patient_key = told.patient_key
