-- check = "condition_status"
-- title = "A Condition's status is outside its required value set"
-- category = "conformance"
-- severity = "convention"
-- threshold = 0.0
-- denominator = """
-- SELECT count(*) FROM flat.condition
-- """
-- advice = """
-- FHIR binds clinicalStatus and verificationStatus to fixed lists: ask the center to send their codes.
-- """
-- reference = "HL7 FHIR R4 and R5, Condition: condition-clinical, condition-ver-status"
SELECT
    center_id,
    condition_key,
    CASE
        WHEN
            verification_status NOT IN (
                'unconfirmed', 'provisional', 'differential', 'confirmed', 'refuted', 'entered-in-error'
            )
            THEN 'verificationStatus'
        ELSE 'clinicalStatus'
    END AS reason
FROM flat.condition
WHERE
    verification_status NOT IN (
        'unconfirmed', 'provisional', 'differential', 'confirmed', 'refuted', 'entered-in-error'
    )
    OR clinical_status NOT IN (
        'active', 'recurrence', 'relapse', 'inactive', 'remission', 'resolved', 'unknown'
    )
