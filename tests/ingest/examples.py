"""Small valid resources, a code map and a center for the tests of ingest."""

import datetime as dt
from typing import Any

from ingest.center import Center
from ingest.client import FhirClient, RetryPolicy
from mappings.terminology import MappedCode

Resource = dict[str, Any]

SCT = "http://snomed.info/sct"
LOINC = "http://loinc.org"
LOCAL = "urn:center-a:ops"

CODES = [
    ("procedure", "cryoablation", SCT, "26782000"),
    ("procedure", "cryoablation", LOCAL, "CRYO,1|x"),
    ("procedure", "other_ablation", SCT, "RF"),
    ("procedure", "cementoplasty", SCT, "CEMENT"),
    ("metastasis", "spinal_metastasis", SCT, "94602001"),
    ("pain_score", "nprs", LOINC, "72514-3"),
    ("disease_status", "disease_status", LOINC, "97509-4"),
]
CODE_MAP = [MappedCode("a", system, code, code_set, concept, "") for code_set, concept, system, code in CODES]

# Retries without waiting: the faults are real, the patience is not under test.
QUICK = RetryPolicy(retries=2, backoff=0.0, max_wait=1.0)


def center(base_url: str, **changes: Any) -> Center:
    told = {"center_id": "a", "name": "Center A", "base_url": base_url, "fhir_version": "R4"}
    return Center(**{**told, "read_timeout": 5.0, **changes})


def client(base_url: str, **changes: Any) -> FhirClient:
    return FhirClient(center(base_url, **changes), QUICK)


def concept(system: str, code: str, **more: Any) -> Resource:
    return {"coding": [{"system": system, "code": code}], **more}


def reference(patient_id: str) -> Resource:
    return {"reference": f"Patient/{patient_id}"}


def patient(patient_id: str) -> Resource:
    return {"resourceType": "Patient", "id": patient_id, "gender": "female", "birthDate": "1960-02-03"}


def procedure(key: str, patient_id: str, code: str = "26782000", system: str = SCT) -> Resource:
    return {
        "resourceType": "Procedure",
        "id": key,
        "status": "completed",
        "code": concept(system, code),
        "subject": reference(patient_id),
        "performedDateTime": "2020-05-06",
    }


def condition(key: str, patient_id: str) -> Resource:
    return {
        "resourceType": "Condition",
        "id": key,
        "code": concept(SCT, "94602001"),
        "subject": reference(patient_id),
        "bodySite": [{"coding": [{"system": SCT, "code": "11994002"}], "text": "T8"}],
    }


def observation(key: str, patient_id: str, score: int = 7) -> Resource:
    return {
        "resourceType": "Observation",
        "id": key,
        "status": "final",
        "code": concept(LOINC, "72514-3"),
        "subject": reference(patient_id),
        "effectiveDateTime": "2020-05-05",
        "valueQuantity": {
            "value": score,
            "unit": "{score}",
            "system": "http://unitsofmeasure.org",
            "code": "{score}",
        },
    }


def adverse_event(key: str, patient_id: str) -> Resource:
    return {
        "resourceType": "AdverseEvent",
        "id": key,
        "actuality": "actual",
        "event": concept(SCT, "57182000"),
        "subject": reference(patient_id),
        "date": "2020-05-07",
    }


def body_structure(key: str, patient_id: str) -> Resource:
    return {
        "resourceType": "BodyStructure",
        "id": key,
        "location": concept(SCT, "11994002", text="T8"),
        "patient": reference(patient_id),
    }


def chart(patient_id: str) -> list[Resource]:
    """A cohort patient with one resource of each type."""
    return [
        patient(patient_id),
        procedure(f"cryo-{patient_id}", patient_id),
        condition(f"met-{patient_id}", patient_id),
        observation(f"pain-{patient_id}", patient_id),
        adverse_event(f"ae-{patient_id}", patient_id),
        body_structure(f"body-{patient_id}", patient_id),
    ]


NOW = dt.datetime(2026, 3, 1, 12, 0, 5, tzinfo=dt.UTC)
