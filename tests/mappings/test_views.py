"""The shipped views: what they accept, their columns, and the rows they make of small resources."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from fhir.resources import R4B, get_fhir_model_class

from mappings.compiler import compile_view
from mappings.viewdef import Column, NamedView, Select, load_views

VIEWS = load_views(Path(__file__).parents[2] / "mappings" / "views")
BASE_URL = "https://center.example/fhir"

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
NCIT = "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl"
MCODE = "http://hl7.org/fhir/us/mcode/StructureDefinition"
GRADES = (
    "http://hl7.org/fhir/us/ctcae/StructureDefinition/ctcae-grade",
    "http://hl7.org/fhir/uv/ae-research-ig/StructureDefinition/ae-grade",
    "http://hl7.org/fhir/uv/ae-research-backport-ig/StructureDefinition/ae-grade",
    "http://onconova.github.io/fhir/StructureDefinition/onconova-ext-ctc-grade",
)

CODING = ["element", "system", "code", "display"]
COLUMNS = {
    "patient": ["patient_key", "gender", "birth_text", "is_deceased", "deceased_text"],
    "patient_link": ["patient_key", "link_type", "other_key"],
    "condition": [
        *("condition_key", "patient_key", "clinical_status", "verification_status"),
        *("onset_text", "recorded_text"),
    ],
    "condition_coding": ["condition_key", *CODING],
    "condition_reference": ["condition_key", "element", "target_key"],
    "procedure": [
        *("procedure_key", "patient_key", "encounter_key", "status"),
        *("performed_start_text", "performed_end_text"),
    ],
    "procedure_coding": ["procedure_key", *CODING],
    "procedure_reference": ["procedure_key", "element", "target_key"],
    "observation": [
        *("observation_key", "patient_key", "status", "effective_text", "issued_text"),
        *("value_quantity", "value_unit", "value_unit_system", "value_unit_code", "value_comparator"),
        *("value_integer", "body_structure_key"),
    ],
    "observation_coding": ["observation_key", *CODING, "ordinal"],
    "observation_reference": ["observation_key", "element", "target_type", "target_key"],
    "observation_component": [
        *("observation_key", "component_index", "code_system", "code"),
        *("value_quantity", "value_unit", "value_unit_code", "value_comparator", "value_integer"),
        *("value_code_system", "value_code", "value_ordinal"),
    ],
    "adverse_event": [
        *("adverse_event_key", "patient_key", "actuality", "status"),
        *("occurred_text", "detected_text", "recorded_text"),
    ],
    "adverse_event_coding": ["adverse_event_key", *CODING],
    "adverse_event_reference": ["adverse_event_key", "element", "target_key"],
    "body_structure": ["body_structure_key", "patient_key"],
    "body_structure_coding": ["body_structure_key", *CODING],
    "body_structure_reference": ["body_structure_key", "element", "target_key"],
}
NOT_TEXT = {
    "is_deceased": "BOOLEAN",
    "value_quantity": "DOUBLE",
    "value_integer": "INTEGER",
    "component_index": "INTEGER",
    "ordinal": "DOUBLE",
    "value_ordinal": "DOUBLE",
}

Json = dict[str, Any]
Row = tuple[Any, ...]


@dataclass(frozen=True)
class Golden:
    """A resource and the rows a view makes of it."""

    table: str
    versions: tuple[str, ...]
    says: str
    resource: Json
    rows: list[Row]


def coding(system: str, code: str, display: str | None = None) -> Json:
    return {"system": system, "code": code} | ({"display": display} if display else {})


def concept(*codings: Json, text: str | None = None) -> Json:
    return ({"coding": list(codings)} if codings else {}) | ({"text": text} if text else {})


def worth(name: str, number: float) -> Json:
    return {"extension": [{"url": f"http://hl7.org/fhir/StructureDefinition/{name}", "valueDecimal": number}]}


def reference(target: str) -> Json:
    return {"reference": target}


def of(resource_type: str, **elements: Any) -> Json:
    """A resource with id r1, of patient p1, and what FHIR requires of its type."""
    required: dict[str, Json] = {
        "Patient": {},
        "Condition": {"subject": reference("Patient/p1"), "clinicalStatus": clinical("active")},
        "Procedure": {"subject": reference("Patient/p1"), "status": "completed"},
        "Observation": {"subject": reference("Patient/p1"), "status": "final", "code": concept(text="x")},
        "AdverseEvent": {"subject": reference("Patient/p1"), "actuality": "actual"},
        "BodyStructure": {"patient": reference("Patient/p1")},
    }
    return {"resourceType": resource_type, "id": "r1", **required[resource_type], **elements}


def clinical(code: str) -> Json:
    return concept(coding("http://terminology.hl7.org/CodeSystem/condition-clinical", code))


def verification(code: str) -> Json:
    return concept(coding("http://terminology.hl7.org/CodeSystem/condition-ver-status", code))


def local_references(resource_type: str) -> list[Json]:
    """The same target in every form that resolves, then forms that must not."""
    return [
        reference(f"{resource_type}/x1"),
        reference(f"{resource_type}/x2/_history/3"),
        reference(f"{BASE_URL}/{resource_type}/x3"),
        reference(f"https://elsewhere.example/fhir/{resource_type}/x4"),
        reference("urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"),
        reference("Encounter/x5"),
        {"display": "a reference without a target"},
    ]


BOTH = ("R4", "R5")
R4 = ("R4",)
R5 = ("R5",)
KEY = "a/r1"
RESOLVED = ("a/x1", "a/x2", "a/x3")
# Of `local_references`: the foreign, the urn, the one without a target.
TARGETS = (*RESOLVED, None, None, None)

GOLDEN = [
    Golden("patient", BOTH, "nothing said is empty", of("Patient"), [(KEY, None, None, None, None)]),
    Golden(
        *("patient", BOTH, "a date of death says dead; partial dates keep their text"),
        of("Patient", gender="female", birthDate="1957-05", deceasedDateTime="2015-12"),
        [(KEY, "female", "1957-05", True, "2015-12")],
    ),
    Golden(
        *("patient", BOTH, "a flag says dead or alive"),
        of("Patient", gender="male", birthDate="1950-01-31", deceasedBoolean=False),
        [(KEY, "male", "1950-01-31", False, None)],
    ),
    Golden(
        *("patient", BOTH, "dead without a date"),
        of("Patient", deceasedBoolean=True),
        [(KEY, None, None, True, None)],
    ),
    Golden(
        *("patient_link", BOTH, "links to other patients of the center, no other link"),
        of(
            "Patient",
            link=[
                {"type": "replaced-by", "other": reference("Patient/p2")},
                {"type": "seealso", "other": reference("RelatedPerson/x1")},
                {"type": "replaces", "other": reference("https://elsewhere.example/fhir/Patient/p3")},
            ],
        ),
        [(KEY, "replaced-by", "a/p2")],
    ),
    Golden(
        *("condition", BOTH, "onset as a point in time"),
        of(
            "Condition",
            verificationStatus=verification("confirmed"),
            onsetDateTime="2019-03-04T10:00:00+01:00",
            recordedDate="2019-03-05",
        ),
        [(KEY, "a/p1", "active", "confirmed", "2019-03-04T10:00:00+01:00", "2019-03-05")],
    ),
    Golden(
        *("condition", BOTH, "onset as a period; a status beside a local coding or without its system"),
        of(
            "Condition",
            clinicalStatus=concept(coding("urn:oid:1.2", "A"), *clinical("resolved")["coding"]),
            verificationStatus=concept({"code": "entered-in-error"}),
            onsetPeriod={"start": "2019-03", "end": "2020"},
        ),
        [(KEY, "a/p1", "resolved", "entered-in-error", "2019-03", None)],
    ),
    Golden(
        "condition_coding", BOTH, "nothing coded is no row", of("Condition", code=concept(text="pain")), []
    ),
    Golden(
        *("condition_coding", BOTH, "each coding, and each body-site text"),
        of(
            "Condition",
            code=concept(
                coding("http://hl7.org/fhir/sid/icd-10-cm", "C79.51", "Bone"), coding(SNOMED, "94222008")
            ),
            bodySite=[concept(coding(SNOMED, "77435000"), text="D8"), concept(text="BWK 9")],
        ),
        [
            (KEY, "code", "http://hl7.org/fhir/sid/icd-10-cm", "C79.51", "Bone"),
            (KEY, "code", SNOMED, "94222008", None),
            (KEY, "body_site", SNOMED, "77435000", None),
            (KEY, "body_site", "text", "D8", "D8"),
            (KEY, "body_site", "text", "BWK 9", "BWK 9"),
        ],
    ),
    *(
        Golden(
            *("condition_reference", BOTH, f"the primary cancer by {url.rsplit('/', 1)[1]}"),
            of(
                "Condition",
                extension=[
                    {"url": "urn:other", "valueReference": reference("Condition/x9")},
                    *({"url": url, "valueReference": each} for each in local_references("Condition")),
                ],
            ),
            [(KEY, "primary", target) for target in TARGETS],
        )
        for url in (
            "http://hl7.org/fhir/StructureDefinition/condition-related",
            f"{MCODE}/mcode-related-primary-cancer-condition",
        )
    ),
    *(
        golden
        for version, element in (("R4", "performed"), ("R5", "occurrence"))
        for golden in (
            Golden(
                *("procedure", (version,), "a point in time is the start"),
                of(
                    "Procedure",
                    encounter=reference("Encounter/e1"),
                    **{f"{element}DateTime": "2019-03-04T10:00:00Z"},
                ),
                [(KEY, "a/p1", "a/e1", "completed", "2019-03-04T10:00:00Z", None)],
            ),
            Golden(
                *("procedure", (version,), "a period has a start and an end"),
                of("Procedure", **{f"{element}Period": {"start": "2019-03-04", "end": "2019-03-05"}}),
                [(KEY, "a/p1", None, "completed", "2019-03-04", "2019-03-05")],
            ),
            Golden(
                *("procedure", (version,), "a time told in words is none"),
                of("Procedure", status="not-done", **{f"{element}String": "last spring"}),
                [(KEY, "a/p1", None, "not-done", None, None)],
            ),
        )
    ),
    Golden(
        *("procedure_coding", R4, "every element"),
        of(
            "Procedure",
            code=concept(coding(SNOMED, "26782000"), coding("urn:oid:1.2", "CRYO", "Cryo"), text="not read"),
            bodySite=[concept(coding(SNOMED, "77435000")), concept(text="T8")],
            reasonCode=[concept(coding(SNOMED, "94602001"))],
            usedCode=[concept(coding(SNOMED, "427811002"))],
            complication=[concept(coding(SNOMED, "57182000"), text="not read")],
        ),
        [
            (KEY, "code", SNOMED, "26782000", None),
            (KEY, "code", "urn:oid:1.2", "CRYO", "Cryo"),
            (KEY, "body_site", SNOMED, "77435000", None),
            (KEY, "body_site", "text", "T8", "T8"),
            (KEY, "reason", SNOMED, "94602001", None),
            (KEY, "used", SNOMED, "427811002", None),
            (KEY, "complication", SNOMED, "57182000", None),
        ],
    ),
    Golden(
        *("procedure_coding", R5, "every element, in the concepts of R5"),
        of(
            "Procedure",
            code=concept(coding(SNOMED, "26782000")),
            bodySite=[concept(coding(SNOMED, "77435000"), text="T8")],
            reason=[
                {"concept": concept(coding(SNOMED, "94602001"))},
                {"reference": reference("Condition/x1")},
            ],
            used=[{"concept": concept(coding(SNOMED, "427811002"))}],
            complication=[{"concept": concept(coding(SNOMED, "57182000"))}],
        ),
        [
            (KEY, "code", SNOMED, "26782000", None),
            (KEY, "body_site", SNOMED, "77435000", None),
            (KEY, "body_site", "text", "T8", "T8"),
            (KEY, "reason", SNOMED, "94602001", None),
            (KEY, "used", SNOMED, "427811002", None),
            (KEY, "complication", SNOMED, "57182000", None),
        ],
    ),
    *(
        Golden(
            *("procedure_coding", BOTH, f"the intent by {name}"),
            of(
                "Procedure",
                extension=[
                    {"url": "urn:other", "valueCodeableConcept": concept(coding(SNOMED, "1"))},
                    {
                        "url": f"{MCODE}/{name}",
                        "valueCodeableConcept": concept(coding(SNOMED, "373808002", "Curative")),
                    },
                ],
            ),
            [(KEY, "intent", SNOMED, "373808002", "Curative")],
        )
        for name in ("mcode-procedure-intent", "mcode-treatment-intent")
    ),
    Golden("procedure_reference", BOTH, "no reference is no row", of("Procedure"), []),
    Golden(
        *("procedure_reference", BOTH, "the procedure it is part of"),
        of("Procedure", partOf=local_references("Procedure")),
        [(KEY, "part_of", target) for target in TARGETS],
    ),
    Golden(
        *(
            "procedure_reference",
            BOTH,
            "references that lead nowhere, also the logical ones as they are stored",
        ),
        of(
            "Procedure",
            partOf=[reference("#c"), reference("urn:oid:1.2.3"), {"identifier": {}}],
            subject=reference("https://elsewhere.example/fhir/Patient/p1"),
            encounter={"identifier": {}},
        ),
        [*[(KEY, "part_of", None)] * 3, (KEY, "patient", None), (KEY, "encounter", None)],
    ),
    Golden(
        *("procedure_reference", R4, "reasons and complications"),
        of(
            "Procedure",
            reasonReference=local_references("Condition"),
            complicationDetail=[reference("Condition/x7")],
        ),
        [*((KEY, "reason", target) for target in TARGETS), (KEY, "complication", "a/x7")],
    ),
    Golden(
        *("procedure_reference", R5, "reasons and complications, in the references of R5"),
        of(
            "Procedure",
            reason=[
                *({"reference": each} for each in local_references("Condition")),
                {"concept": concept(coding(SNOMED, "94602001"))},
            ],
            complication=[{"reference": reference("Condition/x7")}],
        ),
        [*((KEY, "reason", target) for target in TARGETS), (KEY, "complication", "a/x7")],
    ),
    Golden(
        *("observation", BOTH, "a quantity, with all that says what it means"),
        of(
            "Observation",
            effectiveDateTime="2019-03-04T10:00:00+01:00",
            issued="2019-03-04T10:05:00Z",
            valueQuantity={
                "value": 6.5,
                "comparator": "<",
                "unit": "score",
                "system": "http://unitsofmeasure.org",
                "code": "{score}",
            },
        ),
        [
            (
                *(KEY, "a/p1", "final", "2019-03-04T10:00:00+01:00", "2019-03-04T10:05:00Z"),
                *(6.5, "score", "http://unitsofmeasure.org", "{score}", "<", None, None),
            )
        ],
    ),
    Golden(
        *("observation", BOTH, "a whole number over a period"),
        of("Observation", effectivePeriod={"start": "2019-03"}, valueInteger=7),
        [(KEY, "a/p1", "final", "2019-03", *[None] * 6, 7, None)],
    ),
    Golden(
        *("observation", BOTH, "an instant, and a text that is not read"),
        of("Observation", effectiveInstant="2019-03-04T10:00:00.000Z", valueString="7"),
        [(KEY, "a/p1", "final", "2019-03-04T10:00:00.000Z", *[None] * 8)],
    ),
    Golden(
        *("observation", R5, "the body structure of R5"),
        of("Observation", bodyStructure=reference("BodyStructure/b1")),
        [(KEY, "a/p1", "final", *[None] * 8, "a/b1")],
    ),
    Golden(
        *("observation_coding", BOTH, "every element"),
        of(
            "Observation",
            code=concept(coding(LOINC, "72514-3"), coding(SNOMED, "225908003")),
            valueCodeableConcept=concept(coding(LOINC, "LA6113-0", "2 or more"), text="not read"),
            category=[
                concept(coding("http://terminology.hl7.org/CodeSystem/observation-category", "survey")),
                concept(coding("urn:oid:1.2", "PAIN")),
            ],
            bodySite=concept(coding(SNOMED, "77435000"), text="Th8"),
        ),
        [
            (KEY, "code", LOINC, "72514-3", None, None),
            (KEY, "code", SNOMED, "225908003", None, None),
            (KEY, "value", LOINC, "LA6113-0", "2 or more", None),
            (KEY, "body_site", SNOMED, "77435000", None, None),
            (KEY, "body_site", "text", "Th8", "Th8", None),
        ],
    ),
    Golden(
        *("observation_coding", BOTH, "why there is no value"),
        of(
            "Observation",
            dataAbsentReason=concept(
                coding("http://terminology.hl7.org/CodeSystem/data-absent-reason", "unknown")
            ),
        ),
        [
            (
                *(KEY, "data_absent_reason"),
                *("http://terminology.hl7.org/CodeSystem/data-absent-reason", "unknown", None, None),
            )
        ],
    ),
    *(
        Golden(
            *("observation_coding", BOTH, f"what the coding of an answer says it is worth, by {name}"),
            of("Observation", valueCodeableConcept=concept(coding("urn:x", "two") | worth(name, 2))),
            [(KEY, "value", "urn:x", "two", None, 2.0)],
        )
        for name in ("ordinalValue", "itemWeight")
    ),
    Golden(
        *("observation_coding", BOTH, "of both extensions the older one"),
        of(
            "Observation",
            valueCodeableConcept=concept(
                coding("urn:x", "two")
                | {
                    "extension": [
                        *worth("itemWeight", 9)["extension"],
                        *worth("ordinalValue", 2)["extension"],
                    ]
                }
            ),
        ),
        [(KEY, "value", "urn:x", "two", None, 2.0)],
    ),
    Golden(
        *("observation_reference", BOTH, "a focus on a condition or a body structure, with its type"),
        of("Observation", focus=[*local_references("Condition"), reference("BodyStructure/b1")]),
        [
            *((KEY, "focus", "Condition", target) for target in RESOLVED),
            (KEY, "focus", "BodyStructure", "a/b1"),
            *[(KEY, "focus", None, None)] * 3,
        ],
    ),
    Golden("observation_component", BOTH, "no component is no row", of("Observation"), []),
    Golden(
        *("observation_component", BOTH, "one row a component, coding of its code and coding of its value"),
        of(
            "Observation",
            component=[
                {"code": concept(coding(LOINC, "72514-3"), coding("urn:oid:1.2", "P")), "valueInteger": 4},
                {
                    "code": concept(coding(LOINC, "33728-7")),
                    "valueQuantity": {"value": 12.5, "comparator": ">", "unit": "millimeter", "code": "mm"},
                },
                {
                    "code": concept(text="no code"),
                    "valueCodeableConcept": concept(
                        coding(LOINC, "LA6111-4") | worth("ordinalValue", 0), coding("urn:oid:1.2", "0")
                    ),
                },
            ],
        ),
        [
            (KEY, 0, LOINC, "72514-3", *[None] * 4, 4, None, None, None),
            (KEY, 0, "urn:oid:1.2", "P", *[None] * 4, 4, None, None, None),
            (KEY, 1, LOINC, "33728-7", 12.5, "millimeter", "mm", ">", *[None] * 4),
            (KEY, 2, *[None] * 7, LOINC, "LA6111-4", 0.0),
            (KEY, 2, *[None] * 7, "urn:oid:1.2", "0", None),
        ],
    ),
    Golden(
        *("adverse_event", R4, "the dates of R4; it has no status"),
        of("AdverseEvent", date="2019-03-05", detected="2019-03-06", recordedDate="2019-03-07T08:00:00Z"),
        [(KEY, "a/p1", "actual", None, "2019-03-05", "2019-03-06", "2019-03-07T08:00:00Z")],
    ),
    Golden(
        *("adverse_event", R5, "a point in time and the status of R5"),
        of("AdverseEvent", status="completed", occurrenceDateTime="2019-03-05", recordedDate="2019-03-07"),
        [(KEY, "a/p1", "actual", "completed", "2019-03-05", None, "2019-03-07")],
    ),
    Golden(
        *("adverse_event", R5, "a period begins the event"),
        of(
            "AdverseEvent",
            status="completed",
            actuality="potential",
            occurrencePeriod={"start": "2019-03-05"},
        ),
        [(KEY, "a/p1", "potential", "completed", "2019-03-05", None, None)],
    ),
    Golden(
        *("adverse_event_coding", R4, "every element of R4"),
        of(
            "AdverseEvent",
            event=concept(coding("urn:oid:1.2", "HEMATOMA"), text="not read"),
            severity=concept(coding("http://terminology.hl7.org/CodeSystem/adverse-event-severity", "mild")),
            seriousness=concept(
                coding("http://terminology.hl7.org/CodeSystem/adverse-event-seriousness", "non-serious")
            ),
            outcome=concept(
                coding("http://terminology.hl7.org/CodeSystem/adverse-event-outcome", "resolved")
            ),
            category=[
                concept(coding("http://terminology.hl7.org/CodeSystem/adverse-event-category", "other"))
            ],
        ),
        [
            (KEY, "event", "urn:oid:1.2", "HEMATOMA", None),
            (KEY, "severity", "http://terminology.hl7.org/CodeSystem/adverse-event-severity", "mild", None),
            (
                KEY,
                "seriousness",
                "http://terminology.hl7.org/CodeSystem/adverse-event-seriousness",
                "non-serious",
                None,
            ),
            (KEY, "outcome", "http://terminology.hl7.org/CodeSystem/adverse-event-outcome", "resolved", None),
        ],
    ),
    Golden(
        *("adverse_event_coding", R5, "every element of R5: several outcomes, severity as an extension"),
        of(
            "AdverseEvent",
            status="completed",
            code=concept(coding("urn:oid:1.2", "901")),
            outcome=[concept(coding(SNOMED, "1")), concept(coding(SNOMED, "2"))],
            extension=[
                {
                    "url": "http://hl7.org/fhir/uv/ae-research-ig/StructureDefinition/ae-severity",
                    "valueCodeableConcept": concept(coding(SNOMED, "3")),
                }
            ],
        ),
        [
            (KEY, "event", "urn:oid:1.2", "901", None),
            (KEY, "severity", SNOMED, "3", None),
            (KEY, "outcome", SNOMED, "1", None),
            (KEY, "outcome", SNOMED, "2", None),
        ],
    ),
    *(
        Golden(
            *("adverse_event_coding", (version,), f"the grade by {url}"),
            of(
                "AdverseEvent",
                **({"status": "completed"} if version == "R5" else {}),
                extension=[
                    {
                        "url": url,
                        "valueCodeableConcept": concept(coding(NCIT, "C41337"), coding("urn:oid:1.2", "G4")),
                    },
                    {"url": url, "valueCoding": coding(NCIT, "C41340", "Grade 3")},
                    {"url": "urn:other", "valueCoding": coding(NCIT, "C48275")},
                ],
            ),
            [
                (KEY, "grade", NCIT, "C41337", None),
                (KEY, "grade", "urn:oid:1.2", "G4", None),
                (KEY, "grade", NCIT, "C41340", "Grade 3"),
            ],
        )
        for version in BOTH
        for url in GRADES
    ),
    Golden(
        *("adverse_event_reference", R4, "the suspected procedure and what resulted"),
        of(
            "AdverseEvent",
            suspectEntity=[{"instance": each} for each in local_references("Procedure")],
            resultingCondition=[reference("Condition/x7")],
        ),
        [*((KEY, "suspect", target) for target in TARGETS), (KEY, "effect", "a/x7")],
    ),
    Golden(
        *("adverse_event_reference", R5, "the suspected procedure and what resulted, as R5 names them"),
        of(
            "AdverseEvent",
            status="completed",
            suspectEntity=[
                *({"instanceReference": each} for each in local_references("Procedure")),
                {"instanceCodeableConcept": concept(coding(SNOMED, "1"))},
            ],
            resultingEffect=[reference("Condition/x7"), reference("Observation/x8")],
        ),
        [*((KEY, "suspect", target) for target in TARGETS), (KEY, "effect", "a/x7")],
    ),
    Golden(
        *("body_structure", R4, "its patient"),
        of("BodyStructure", patient=reference(f"{BASE_URL}/Patient/p1")),
        [(KEY, "a/p1")],
    ),
    Golden(
        *("body_structure", R5, "its patient, foreign to the center"),
        of(
            "BodyStructure",
            patient=reference("https://elsewhere.example/fhir/Patient/p1"),
            includedStructure=[{"structure": concept(text="D9")}],
        ),
        [(KEY, None)],
    ),
    Golden(
        *("body_structure_coding", R4, "the location of R4"),
        of("BodyStructure", location=concept(coding(SNOMED, "77435000", "T8"), text="T8")),
        [(KEY, "location", SNOMED, "77435000", "T8"), (KEY, "location", "text", "T8", "T8")],
    ),
    Golden(
        *("body_structure_coding", R5, "every included structure of R5"),
        of(
            "BodyStructure",
            includedStructure=[
                {"structure": concept(coding(SNOMED, "77435000"))},
                {"structure": concept(text="D9")},
            ],
        ),
        [(KEY, "location", SNOMED, "77435000", None), (KEY, "location", "text", "D9", "D9")],
    ),
    Golden(
        *("body_structure_reference", R4, "the tumor's condition"),
        of(
            "BodyStructure",
            extension=[
                {"url": f"{MCODE}/mcode-related-condition", "valueReference": each}
                for each in local_references("Condition")
            ],
        ),
        [(KEY, "condition", target) for target in TARGETS],
    ),
    Golden(
        *("body_structure_reference", R5, "the tumor's condition"),
        of(
            "BodyStructure",
            includedStructure=[{"structure": concept(text="D9")}],
            extension=[
                {"url": f"{MCODE}/mcode-related-condition", "valueReference": reference("Condition/x1")}
            ],
        ),
        [(KEY, "condition", "a/x1")],
    ),
]
CASES = [(version, golden) for golden in GOLDEN for version in golden.versions]
SOURCE = """
    CREATE TABLE resource (
        center_id VARCHAR, base_url VARCHAR, resource_type VARCHAR, resource_id VARCHAR,
        run_id INTEGER, body VARCHAR
    )
"""


def versions_of(named: NamedView) -> Sequence[str]:
    return BOTH if named.fhir_version is None else (named.fhir_version,)


COMPILED = [(named, version) for named in VIEWS for version in versions_of(named)]


def view_of(table: str, version: str) -> NamedView:
    (found,) = [view for view in VIEWS if view.table == table and view.fhir_version in (None, version)]
    return found


def flatten(table: str, version: str, *resources: Json) -> list[Row]:
    """The rows of a shipped view in strict mode, center and run first; all is center a's, run 1."""
    view = compile_view(
        view_of(table, version).view, fhir_version=version, carry=("center_id", "run_id"), strict=True
    )
    with duckdb.connect() as connection:
        connection.execute(SOURCE)
        for body in resources:
            connection.execute(
                "INSERT INTO resource VALUES ('a', $base, $type, $id, 1, $body)",
                {"base": BASE_URL, "type": body["resourceType"], "id": body["id"], "body": json.dumps(body)},
            )
        return connection.execute(view.sql).fetchall()


def in_any_order(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=repr)


def test_there_is_one_view_for_each_flat_table_and_version() -> None:
    assert sorted((named.table, version) for named, version in COMPILED) == sorted(
        (table, version) for table in COLUMNS for version in BOTH
    )


@pytest.mark.parametrize(("named", "version"), COMPILED, ids=lambda each: getattr(each, "table", each))
def test_a_view_has_the_columns_of_its_table_in_their_types(named: NamedView, version: str) -> None:
    compiled = compile_view(named.view, fhir_version=version, carry=("center_id", "run_id"))
    columns = {
        column.name: column.sql_type
        for column in compiled.columns
        if column.name not in ("center_id", "run_id")
    }
    assert list(columns) == COLUMNS[named.table]
    assert columns == {name: NOT_TEXT.get(name, "VARCHAR") for name in columns}


@pytest.mark.parametrize(("named", "version"), COMPILED, ids=lambda each: getattr(each, "table", each))
def test_a_view_says_what_it_is_and_what_each_column_holds(named: NamedView, version: str) -> None:
    view = named.view
    assert view.name == named.table
    assert view.title
    assert view.description
    assert view.status == "active"
    assert view.url == f"urn:cryocohort:view:{named.path.name.removesuffix('.json').replace('.', ':')}"
    assert {"4": "R4", "5": "R5"}[view.fhir_version[0][0]] in versions_of(named)
    for column in compile_view(view, fhir_version=version).columns:
        assert column.description, column.name


def columns_of(selects: Sequence[Select]) -> list[Column]:
    return [
        column
        for select in selects
        for column in (*select.column, *columns_of(select.select), *columns_of(select.union_all))
    ]


@pytest.mark.parametrize("named", VIEWS, ids=lambda named: str(named.path.name))
def test_a_view_is_shareable_as_every_column_states_its_type(named: NamedView) -> None:
    columns = columns_of(named.view.select)
    assert columns
    assert [column.name for column in columns if column.type is None] == []


@pytest.mark.parametrize("table", sorted(COLUMNS))
def test_the_forms_of_a_view_for_two_versions_have_the_same_columns(table: str) -> None:
    forms = [compile_view(view_of(table, version).view, fhir_version=version).columns for version in BOTH]
    assert forms[0] == forms[1]


@pytest.mark.parametrize(
    ("version", "golden"), CASES, ids=[f"{golden.table}-{version}-{golden.says}" for version, golden in CASES]
)
def test_a_view_makes_these_rows_of_this_resource(version: str, golden: Golden) -> None:
    rows = flatten(golden.table, version, golden.resource)
    assert in_any_order(rows) == in_any_order([("a", 1, *row) for row in golden.rows])


def test_every_view_has_golden_rows() -> None:
    golden = {(golden.table, version) for version, golden in CASES if golden.rows}
    assert golden == {(named.table, version) for named, version in COMPILED}


@pytest.mark.parametrize(
    ("version", "golden"), CASES, ids=[f"{golden.table}-{version}-{golden.says}" for version, golden in CASES]
)
def test_the_resources_of_these_tests_are_valid_fhir(version: str, golden: Golden) -> None:
    model_class = {"R4": R4B.get_fhir_model_class, "R5": get_fhir_model_class}[version]
    resource_type = golden.resource["resourceType"]
    assert model_class(resource_type).model_validate(golden.resource).get_resource_type() == resource_type


def test_a_view_reads_only_resources_of_its_type() -> None:
    assert flatten("patient", "R4", of("Patient"), of("Condition")) == [("a", 1, KEY, None, None, None, None)]
