-- table = "flat.survivor"
-- title = "Who stands for a merged patient"
-- grain = "one patient whom the center has merged into another whose Patient is on file"
-- key = ["patient_key"]
-- needs = ["core.patient_link", "flat.patient"]
-- owner = ["'Patient'", "patient_key"]
-- reference = "HL7 FHIR Patient.link, https://hl7.org/fhir/R4/patient.html#links"
-- definition = """
-- What is filed under a replaced patient counts for its survivor, so that one person is one patient. A
-- survivor whose Patient has not been received can stand for nobody: the replaced one counts, and a check
-- names it.
-- """
-- [columns]
-- patient_key = "Patient that was replaced."
-- survivor_key = "Patient that everything counts for."
SELECT
    link.patient_key,
    link.survivor_patient_key AS survivor_key
FROM core.patient_link AS link
INNER JOIN flat.patient AS patient ON link.survivor_patient_key = patient.patient_key
