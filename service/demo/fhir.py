"""FHIR parts that both demo centers write alike: codings, references, people, Conditions, Observations.

Everything that tells the two centers apart is in center_a.py and center_b.py. Names, telephone numbers,
addresses, narrative and notes are made up on purpose: they are what a sync must not keep.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

Resource = dict[str, Any]

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
NCIT = "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl"
UCUM = "http://unitsofmeasure.org"
THO = "http://terminology.hl7.org/CodeSystem"
MCODE = "http://hl7.org/fhir/us/mcode/StructureDefinition"

INTENTS = {
    "curative": ("373808002", "Curative - procedure intent (qualifier value)"),
    "palliative": ("363676003", "Palliative - procedure intent (qualifier value)"),
}
CTCAE_GRADES = {1: "C41338", 2: "C41339", 3: "C41340", 4: "C41337", 5: "C48275"}
CATEGORY_DISPLAYS = {"vital-signs": "Vital Signs", "survey": "Survey", "imaging": "Imaging"}
FIRST_IDS = {
    "Patient": 1001,
    "Condition": 2001,
    "Procedure": 3001,
    "Observation": 4001,
    "AdverseEvent": 5001,
    "BodyStructure": 6001,
}


@dataclass(frozen=True, slots=True)
class DemoCenter:
    """One center's resources and which resource each patient of the cohort became."""

    center_id: str
    fhir_version: str
    resources: tuple[Resource, ...]
    patient_ids: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Person:
    """What a center's Patient resource is written from."""

    label: str
    sex: str
    birth_date: date
    identifier_system: str
    phone: str
    address: Mapping[str, Any]


@dataclass(slots=True)
class IdSequence:
    """Running ids by resource type: both centers count alike, so their ids overlap as real ones do."""

    first: Mapping[str, int] = field(default_factory=lambda: FIRST_IDS)
    used: dict[str, int] = field(default_factory=dict)

    def take(self, resource_type: str) -> str:
        """The next unused id of that type."""
        count = self.used.get(resource_type, 0)
        self.used[resource_type] = count + 1
        return str(self.first[resource_type] + count)


def coding(system: str, code: str, display: str | None = None) -> Resource:
    """A Coding; no display for CPT and LOINC, whose texts are not ours to ship."""
    return {"system": system, "code": code} | ({"display": display} if display else {})


def concept(*codings: Resource, text: str | None = None) -> Resource:
    """A CodeableConcept of codings, of text, or of both."""
    return ({"coding": list(codings)} if codings else {}) | ({"text": text} if text else {})


def extension(url: str, **value: Any) -> Resource:
    """An Extension with one value[x]."""
    return {"url": url, **value}


def refer(resource: Resource) -> Resource:
    """A relative literal Reference to a resource of the same server."""
    return {"reference": f"{resource['resourceType']}/{resource['id']}"}


def narrative(text: str) -> Resource:
    """A generated Narrative, its text escaped as XHTML wants it."""
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{escape(text)}</div>'}


def local_time(day: date, clock: str, zone: ZoneInfo) -> str:
    """A FHIR dateTime with the zone's offset on that day, daylight saving included; clock as 'HH:MM'."""
    return datetime.combine(day, time.fromisoformat(clock), zone).isoformat()


def intent(url: str, name: str) -> Resource:
    """The intent of a Procedure as an mCODE extension of the given (newer or older) address."""
    code, display = INTENTS[name]
    return extension(url, valueCodeableConcept=concept(coding(SNOMED, code, display)))


def person(key: str, facts: Person) -> Resource:
    """A Patient with all that a research warehouse has no use for."""
    family, given = f"Zz-Synthetic-{facts.label}", "Demo"
    return {
        "resourceType": "Patient",
        "id": key,
        "text": narrative(f"{given} {family}, invented <patient> of the demo"),
        "identifier": [{"system": facts.identifier_system, "value": f"DEMO-{facts.label}"}],
        "active": True,
        "name": [{"use": "official", "family": family, "given": [given]}],
        "telecom": [
            {"system": "phone", "value": facts.phone, "use": "home"},
            {"system": "email", "value": f"{facts.label.lower()}@example.org"},
        ],
        "gender": facts.sex,
        "birthDate": facts.birth_date.isoformat(),
        "address": [dict(facts.address)],
        "contact": [
            {
                "name": {"family": family, "given": ["Relative"]},
                "telecom": [{"system": "phone", "value": facts.phone}],
            }
        ],
    }


def condition(key: str, subject: Resource, code: Resource, *, recorded: date) -> Resource:
    """A confirmed, active Condition on the problem list."""
    return {
        "resourceType": "Condition",
        "id": key,
        "clinicalStatus": concept(coding(f"{THO}/condition-clinical", "active", "Active")),
        "verificationStatus": concept(coding(f"{THO}/condition-ver-status", "confirmed", "Confirmed")),
        "category": [concept(coding(f"{THO}/condition-category", "problem-list-item", "Problem List Item"))],
        "code": code,
        "subject": subject,
        "recordedDate": recorded.isoformat(),
        "note": [{"text": "Seen at the demo tumor board; free text that no study may hold."}],
    }


def observation(key: str, subject: Resource, code: Resource, *, category: str, effective: str) -> Resource:
    """A final Observation without a value."""
    display = CATEGORY_DISPLAYS[category]
    return {
        "resourceType": "Observation",
        "id": key,
        "text": narrative(f"Observation {key} of an invented patient"),
        "status": "final",
        "category": [concept(coding(f"{THO}/observation-category", category, display))],
        "code": code,
        "subject": subject,
        "effectiveDateTime": effective,
    }
