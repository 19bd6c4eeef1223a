-- check = "patient_gender"
-- title = "Patient.gender is outside its required value set"
-- category = "conformance"
-- severity = "convention"
-- threshold = 0.0
-- denominator = """
-- SELECT count(*) FROM flat.patient
-- """
-- advice = """
-- FHIR binds this element to a fixed list: ask the center to send one of its codes.
-- """
SELECT
    center_id,
    patient_key,
    gender AS reason
FROM flat.patient
WHERE gender NOT IN ('male', 'female', 'other', 'unknown')
