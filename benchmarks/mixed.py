"""NDJSON files of a cohort's mixed resources: 70 of about a thousand bytes each for every patient.

Of each patient: the Patient, 9 cryoablations, 10 metastases and 50 pain scores, in one file a type. Every
resource is one that the study asks for, so that every way has the same work.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LOINC, SNOMED, UNITS = "http://loinc.org", "http://snomed.info/sct", "http://unitsofmeasure.org"
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
VERIFIED = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
OF_A_PATIENT = {"Patient": 1, "Procedure": 9, "Condition": 10, "Observation": 50}
PER_PATIENT = sum(OF_A_PATIENT.values())
NARRATIVE = (
    "<div xmlns='http://www.w3.org/1999/xhtml'><p>Generated narrative of an entry in the chart.</p></div>"
)

Resource = dict[str, Any]


def write(folder: Path, patients: int) -> int:
    """Write TYPE.ndjson for each type and return the number of resources."""
    for name in OF_A_PATIENT:
        with (folder / f"{name}.ndjson").open("w", encoding="utf-8") as lines:
            lines.writelines(f"{json.dumps(each)}\n" for each in resources(name, range(patients)))
    return patients * PER_PATIENT


def resources(name: str, patients: range) -> Iterator[Resource]:
    """The resources of one type of these patients."""
    for patient in patients:
        for number in range(OF_A_PATIENT[name]):
            yield _MADE[name](patient, number)


def patient_id(patient: int) -> str:
    return f"p{patient:07}"


def _about(name: str, patient: int, number: int) -> Resource:
    return {
        "resourceType": name,
        "id": f"{name[:4].lower()}-{patient:07}-{number:02}",
        "meta": {
            "versionId": "1",
            # Of a server whose resources all have one date, ours believes no date.
            "lastUpdated": f"2026-11-01T02:{number:02}:{patient % 60:02}.000Z",
            "source": f"#{patient:012}{number:04}",
            "profile": [f"http://hl7.org/fhir/StructureDefinition/{name}"],
        },
        "text": {"status": "generated", "div": NARRATIVE},
        "identifier": [{"system": f"https://example.org/{name}", "value": f"{patient:07}.{number:02}"}],
    }


def _patient(patient: int, number: int) -> Resource:
    return _about("Patient", patient, number) | {
        "id": patient_id(patient),
        "active": True,
        "name": [{"use": "official", "family": f"Family{patient}", "given": [f"Given{patient}"]}],
        "gender": ("female", "male")[patient % 2],
        "birthDate": f"{1935 + patient % 50}-0{1 + patient % 9}-1{patient % 10}",
    }


def _concept(system: str, code: str, display: str) -> Resource:
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


def _of(name: str, patient: int, number: int) -> Resource:
    return _about(name, patient, number) | {
        "subject": {"reference": f"Patient/{patient_id(patient)}", "display": f"Patient {patient}"},
        "encounter": {"reference": f"Encounter/e{patient:07}-{number:02}"},
    }


def _day(patient: int, number: int) -> str:
    return f"20{10 + patient % 10}-{1 + number % 12:02}-{1 + (patient + number) % 28:02}"


def _procedure(patient: int, number: int) -> Resource:
    return _of("Procedure", patient, number) | {
        "status": "completed",
        "category": _concept(SNOMED, "387713003", "Surgical procedure (procedure)"),
        "code": _concept(SNOMED, "26782000", "Cryotherapy (procedure)"),
        "performedDateTime": f"{_day(patient, number)}T10:30:00+01:00",
        "performer": [{"actor": {"reference": "Practitioner/r1", "display": "Interventional radiologist"}}],
        "bodySite": [_concept(SNOMED, "77435000", "Bone structure of spine")],
        "reasonReference": [{"reference": f"Condition/cond-{patient:07}-{number:02}"}],
    }


def _condition(patient: int, number: int) -> Resource:
    return _of("Condition", patient, number) | {
        "clinicalStatus": _concept(CLINICAL, "active", "Active"),
        "verificationStatus": _concept(VERIFIED, "confirmed", "Confirmed"),
        "code": _concept(SNOMED, "94602001", "Secondary malignant neoplasm of vertebral column (disorder)"),
        "bodySite": [_concept(SNOMED, "77435000", "Bone structure of spine")],
        "onsetDateTime": f"{_day(patient, number)}T00:00:00+01:00",
        "recordedDate": f"{_day(patient, number)}T09:00:00+01:00",
    }


def _observation(patient: int, number: int) -> Resource:
    return _of("Observation", patient, number) | {
        "status": "final",
        "category": [_concept(CATEGORY, "survey", "Survey")],
        "code": _concept(LOINC, "72514-3", "Pain severity - 0-10 verbal numeric rating [Score] - Reported"),
        "effectiveDateTime": f"{_day(patient, number)}T08:{number:02}:00+01:00",
        "issued": f"{_day(patient, number)}T09:00:00.000Z",
        "performer": [{"reference": "Practitioner/n1", "display": "Nurse on duty"}],
        "valueQuantity": {
            "value": (patient + number) % 11,
            "unit": "{score}",
            "system": UNITS,
            "code": "{score}",
        },
    }


_MADE = {"Patient": _patient, "Procedure": _procedure, "Condition": _condition, "Observation": _observation}
