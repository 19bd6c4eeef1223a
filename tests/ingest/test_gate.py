"""The gate accepts valid FHIR of the center's version and says, without quoting, where the rest is wrong."""

import copy
from decimal import Decimal
from typing import Any

import pytest
from fhir import resources as r5
from fhir.resources import R4B

from ingest.center import FhirVersion
from ingest.decode import decode_object
from ingest.gate import Issue, judge
from ingest.resource_types import load_resource_types
from mappings.schema import type_info
from tests.ingest.examples import (
    Resource,
    adverse_event,
    chart,
    concept,
    observation,
    patient,
    procedure,
    reference,
)

R5_EVENT: Resource = {
    "resourceType": "AdverseEvent",
    "id": "ae-5",
    "status": "completed",
    "actuality": "actual",
    "code": concept("http://snomed.info/sct", "57182000"),
    "subject": reference("p1"),
    "occurrenceDateTime": "2020-05-07",
}
R5_PROCEDURE = {
    **{name: value for name, value in procedure("proc-5", "p1").items() if name != "performedDateTime"},
    "occurrenceDateTime": "2020-05-06T10:00:00Z",
    "reason": [{"reference": {"reference": "Condition/met-1"}}],
}
R5_BODY: Resource = {
    "resourceType": "BodyStructure",
    "id": "body-5",
    "patient": reference("p1"),
    "includedStructure": [{"structure": {"text": "T8"}}],
}
SECRET = "SECRET"


@pytest.mark.parametrize("resource", chart("p1"), ids=lambda each: each["resourceType"])
def test_a_valid_r4_resource_passes(resource: Resource) -> None:
    assert judge(resource, "R4") == []


@pytest.mark.parametrize(
    "resource",
    [R5_EVENT, R5_PROCEDURE, R5_BODY, observation("o1", "p1")],
    ids=lambda each: each["resourceType"],
)
def test_a_valid_r5_resource_passes(resource: Resource) -> None:
    assert judge(resource, "R5") == []


@pytest.mark.parametrize(
    ("resource", "fhir_version", "path"),
    [
        (R5_PROCEDURE, "R4", "Procedure.occurrenceDateTime"),
        (R5_EVENT, "R4", "AdverseEvent.status"),
        (procedure("p", "p1"), "R5", "Procedure.performedDateTime"),
        (R5_BODY, "R4", "BodyStructure.includedStructure"),
    ],
)
def test_a_resource_of_the_other_version_is_refused(
    resource: Resource, fhir_version: FhirVersion, path: str
) -> None:
    assert path in {issue.path for issue in judge(resource, fhir_version)}


def changed(**elements: Any) -> Resource:
    resource = {**observation("o1", "p1"), **elements}
    return {name: value for name, value in resource.items() if value is not None}


@pytest.mark.parametrize(
    ("resource", "rule", "path"),
    [
        (changed(status=None), "model:model_field_validation.missing", "Observation.status"),
        (changed(code=None), "model:missing", "Observation.code"),
        (changed(colour=SECRET), "model:extra_forbidden", "Observation.colour"),
        (changed(**{"SECRET key!": 1}), "model:extra_forbidden", "Observation.?"),
        (changed(valueString=SECRET), "model:value_error", "Observation"),
        (
            changed(effectiveDateTime="2025-01-01T10:00:00"),
            "model:value_error",
            "Observation.effectiveDateTime",
        ),
        (
            changed(effectiveDateTime="2025-02-31"),
            "model:datetime_from_date_parsing",
            "Observation.effectiveDateTime",
        ),
        (changed(code={"coding": {"code": SECRET}}), "model:list_type", "Observation.code.coding"),
        (changed(component=[{"valueString": SECRET}]), "model:missing", "Observation.component[0].code"),
        (
            changed(valueQuantity={"value": SECRET}),
            "model:value_error",
            "Observation.valueQuantity.value",
        ),
        (changed(id=None), "id", "Observation.id"),
        (changed(id="../../SECRET"), "id", "Observation.id"),
        (changed(id="x" * 65), "id", "Observation.id"),
        (changed(id=7), "id", "Observation.id"),
        (changed(code=concept("urn:x", "a\x00b")), "text", "Observation.code.coding[0].code"),
        (changed(code=concept("urn:x", "\ud800")), "text", "Observation.code.coding[0].code"),
        (changed(valueQuantity={"value": Decimal("1e400")}), "number", "Observation.valueQuantity.value"),
        (
            changed(valueQuantity={"value": Decimal("0." + "1" * 50)}),
            "number",
            "Observation.valueQuantity.value",
        ),
        (changed(effectiveDateTime=202510), "json-type", "Observation.effectiveDateTime"),
        (changed(issued=1700000000), "json-type", "Observation.issued"),
        (changed(status=True), "json-type", "Observation.status"),
        (changed(valueQuantity={"value": "7.10"}), "json-type", "Observation.valueQuantity.value"),
        (changed(valueQuantity={"unit": 7}), "json-type", "Observation.valueQuantity.unit"),
        (changed(valueBoolean="true"), "json-type", "Observation.valueBoolean"),
        (changed(valueInteger=True), "json-type", "Observation.valueInteger"),
        (
            changed(component=[{"code": concept("urn:x", "y"), "valueDateTime": Decimal("2025.1")}]),
            "json-type",
            "Observation.component[0].valueDateTime",
        ),
        (
            changed(contained=[{"resourceType": "Patient", "id": "c", "birthDate": 1960}]),
            "json-type",
            "Observation.contained[0].birthDate",
        ),
        (changed(_effectiveDateTime={"id": 7}), "json-type", "Observation._effectiveDateTime.id"),
        (changed(subject='{"reference": "Patient/SECRET"}'), "json-type", "Observation.subject"),
        (changed(meta={"versionId": "x" * 65}), "id", "Observation.meta.versionId"),
        (changed(contained=[patient("x" * 65)]), "id", "Observation.contained[0].id"),
        (changed(status="SECRET"), "code", "Observation.status"),
        (changed(status="Final"), "code", "Observation.status"),
        (
            changed(valueQuantity={"value": 7, "comparator": SECRET}),
            "code",
            "Observation.valueQuantity.comparator",
        ),
        (
            changed(component=[{"code": {"text": "x"}, "valueQuantity": {"comparator": "ad"}}]),
            "code",
            "Observation.component[0].valueQuantity.comparator",
        ),
        (patient("p1") | {"gender": "F"}, "code", "Patient.gender"),
        (
            patient("p1") | {"link": [{"type": "same", "other": {"reference": "Patient/p2"}}]},
            "code",
            "Patient.link[0].type",
        ),
        (procedure("x", "p1") | {"status": "done"}, "code", "Procedure.status"),
        (adverse_event("x", "p1") | {"actuality": "real"}, "code", "AdverseEvent.actuality"),
        (changed(code={"text": " \n"}), "blank", "Observation.code.text"),
        (changed(code=concept("", "x")), "blank", "Observation.code.coding[0].system"),
        ({"id": "x"}, "resource-type", "resourceType"),
        ({"resourceType": "../x", "id": "x"}, "resource-type", "resourceType"),
        ({"resourceType": 7, "id": "x"}, "resource-type", "resourceType"),
        ({"resourceType": "Unicorn", "id": "x"}, "model:ValueError", "Unicorn"),
    ],
)
def test_a_bad_resource_is_refused_by_rule_and_path(resource: Resource, rule: str, path: str) -> None:
    issues = judge(resource, "R4")
    assert (rule, path) in {(issue.rule, issue.path) for issue in issues}
    assert SECRET not in str(issues)


@pytest.mark.parametrize("version", ["R4", "R5"])
def test_required_codes_are_those_that_the_models_know(version: FhirVersion) -> None:
    """Some of the models' lists end in '+': what they leave out is not known to them."""
    compared = 0
    for resource_type in load_resource_types(version):
        for path, codes in resource_type.required_codes:
            *parents, name = path.split(".")
            info = type_info(version, resource_type.name)
            for parent in parents:
                held = [*info.elements.values(), *(e for o in info.choices.values() for e in o.values())]
                (element,) = [each for each in held if each.name == parent]
                info = type_info(version, element.type)
            assert info.elements[name].type == "code"
            model = (R4B if version == "R4" else r5).get_fhir_model_class(info.name)
            told = model.model_fields[name].json_schema_extra.get("enum_values", [])
            compared += bool(told)
            assert codes >= set(told) - {"+"}
            assert "+" in told or not told or codes == set(told)
    assert compared >= 5


def test_an_r5_comparator_is_none_of_r4() -> None:
    resource = changed(valueQuantity={"value": 7, "comparator": "ad"})
    assert judge(resource, "R5") == []
    assert [issue.rule for issue in judge(resource, "R4")] == ["code"]


def test_a_bad_id_is_told_once() -> None:
    issues = [issue for issue in judge(changed(id="x" * 300), "R4") if issue.rule == "id"]
    assert [issue.path for issue in issues] == ["Observation.id"]


@pytest.mark.row(46)
@pytest.mark.parametrize(
    ("elements", "path"),
    [
        ({"effectiveDateTime": 202510}, "Observation.effectiveDateTime"),
        ({"effectivePeriod": {"start": 2025, "end": 202510}}, "Observation.effectivePeriod.start"),
        ({"meta": {"lastUpdated": 1700000000}}, "Observation.meta.lastUpdated"),
    ],
)
def test_a_number_is_no_date_whatever_a_model_makes_of_it(elements: Resource, path: str) -> None:
    resource = observation("o1", "p1") | elements
    if "effectivePeriod" in elements:
        resource.pop("effectiveDateTime", None)
    found = {(issue.rule, issue.path) for issue in judge(resource, "R4")}
    assert ("json-type", path) in found


def test_every_json_number_is_a_number_and_every_r5_integer64_a_text() -> None:
    assert judge(changed(valueQuantity={"value": 7}), "R4") == []
    assert judge(changed(valueQuantity={"value": Decimal("7.10")}), "R4") == []
    attached = {"id": "c", "resourceType": "DocumentReference", "status": "current", "content": []}
    attached["content"] = [{"attachment": {"size": 7}}]
    issues = judge(changed(contained=[attached]), "R5")
    assert "Observation.contained[0].content[0].attachment.size" in {issue.path for issue in issues}


def test_a_contained_resource_of_unknown_type_is_an_issue_not_a_crash() -> None:
    issues = judge(changed(contained=[{"resourceType": "Unicorn", "id": "c"}]), "R4")
    assert [issue.rule for issue in issues] == ["model:KeyError"]


def test_judging_changes_nothing() -> None:
    resource = decode_object(b'{"resourceType":"Observation","id":"o","valueQuantity":{"value":7.10}}')
    before = copy.deepcopy(resource)
    assert judge(resource, "R4") != []
    assert str(resource) == str(before)


def test_an_issue_tells_rule_path_and_message() -> None:
    assert judge(changed(code=None), "R4") == [
        Issue("model:missing", "Observation.code", "a required element is missing")
    ]
