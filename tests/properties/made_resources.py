"""Small valid resources of both FHIR versions, told apart by one number that reaches the warehouse.

The codes are canonical ones of the product, so the shipped configuration finds the same resources.
"""

import datetime as dt
from typing import Any

from ingest.center import FhirVersion
from mappings.terminology import MappedCode

Resource = dict[str, Any]

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
CRYOABLATION = (SNOMED, "26782000")
CEMENTOPLASTY = (SNOMED, "427811002")
METASTASIS = (SNOMED, "94602001")
PAIN_SCORE = (LOINC, "72514-3")
BODY_WEIGHT = (LOINC, "29463-7")  # asked for by nobody

TYPES = ("Patient", "Procedure", "Condition", "Observation", "AdverseEvent", "BodyStructure")
# A resource of these types can be given to another patient; the others are somebody's by their id.
MOVABLE = ("Condition", "Observation", "AdverseEvent", "BodyStructure")
PATIENT_ELEMENT = {"Patient": "id", "BodyStructure": "patient"}

CODES = (
    ("procedure", "cryoablation", CRYOABLATION),
    ("procedure", "cementoplasty", CEMENTOPLASTY),
    ("metastasis", "spinal_metastasis", METASTASIS),
    ("pain_score", "nprs", PAIN_SCORE),
    ("disease_status", "disease_status", (LOINC, "97509-4")),
)
CODE_MAP = [
    MappedCode(center_id, system, code, code_set, concept, "")
    for center_id in ("a", "b")
    for code_set, concept, (system, code) in CODES
]


def made(
    resource_type: str,
    resource_id: str,
    patient_id: str,
    number: int,
    version: FhirVersion,
    code: tuple[str, str] | None = None,
) -> Resource:
    """A valid resource; another `number` is another content, in an element that is kept."""
    day = (dt.date(2000, 1, 1) + dt.timedelta(days=number)).isoformat()
    subject = {"reference": f"Patient/{patient_id}"}
    head: Resource = {"resourceType": resource_type, "id": resource_id}
    match resource_type:
        case "Patient":
            return head | {"gender": "female", "birthDate": day}
        case "Procedure":
            when = "performedDateTime" if version == "R4" else "occurrenceDateTime"
            what = concept(code or CRYOABLATION)
            return head | {"status": "completed", "code": what, "subject": subject, when: day}
        case "Condition":
            status = concept(("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"))
            what = concept(code or METASTASIS)
            return head | {"clinicalStatus": status, "code": what, "subject": subject, "recordedDate": day}
        case "Observation":
            what, value = concept(code or PAIN_SCORE), {"value": number % 11, "unit": "{score}"}
            told = {"status": "final", "code": what, "subject": subject, "effectiveDateTime": day}
            return head | told | {"valueQuantity": value}
        case "AdverseEvent":
            event = concept((SNOMED, "57182000"))
            told = {"event": event, "date": day}
            if version == "R5":
                told = {"status": "completed", "code": event, "occurrenceDateTime": day}
            return head | {"actuality": "actual", "subject": subject} | told
        case "BodyStructure":
            site = {"coding": [{"system": SNOMED, "code": "11994002"}], "text": f"T8 no. {number}"}
            told = {"location": site} if version == "R4" else {"includedStructure": [{"structure": site}]}
            return head | {"patient": subject} | told
    raise AssertionError(resource_type)


def spoiled(resource: Resource) -> Resource:
    """The same resource with an element that no FHIR version lets through the gate."""
    return resource | {"language": {"not": "a code"}}


def concept(coding: tuple[str, str]) -> Resource:
    """A CodeableConcept of one (system, code)."""
    return {"coding": [{"system": coding[0], "code": coding[1]}]}


def patient_of(resource: Resource) -> str:
    """The id of the patient whom the resource belongs to."""
    element = PATIENT_ELEMENT.get(resource["resourceType"], "subject")
    if element == "id":
        return str(resource["id"])
    return str(resource[element]["reference"].removeprefix("Patient/"))


def coding_of(resource: Resource) -> tuple[str, str] | None:
    """(system, code) of the resource's `code`, if it has one."""
    told = resource.get("code")
    return (told["coding"][0]["system"], told["coding"][0]["code"]) if told else None
