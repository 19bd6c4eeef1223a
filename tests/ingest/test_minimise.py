"""Only what the study may hold is stored, in one canonical form."""

import json
from decimal import Decimal
from typing import Any

import pytest
import simplejson
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import minimise as minimise_of
from ingest.center import FhirVersion
from ingest.decode import decode_object
from ingest.minimise import Minimised, canonical, minimise
from ingest.resource_types import ResourceType, load_resource_types
from tests.ingest.examples import Resource, chart, observation, procedure

CANARY = "CANARY"
INTENT = "http://hl7.org/fhir/us/mcode/StructureDefinition/mcode-procedure-intent"
GRADE = "http://hl7.org/fhir/us/ctcae/StructureDefinition/ctcae-grade"


def kept(resource_type: str, fhir_version: FhirVersion = "R4") -> ResourceType:
    return {each.name: each for each in load_resource_types(fhir_version)}[resource_type]


def reduced(resource: Resource, fhir_version: FhirVersion = "R4") -> Minimised:
    return minimise(resource, kept(resource["resourceType"], fhir_version))


def body(resource: Resource, fhir_version: FhirVersion = "R4") -> Any:
    return json.loads(reduced(resource, fhir_version).body)


PERSON = {
    "resourceType": "Patient",
    "id": "p1",
    "gender": "female",
    "birthDate": "1960-02-03",
    "_birthDate": {"extension": [{"url": "urn:x", "valueDateTime": f"{CANARY}-time"}]},
    "deceasedDateTime": "2021-01-01",
    "identifier": [{"system": "urn:mrn", "value": f"{CANARY}-mrn"}],
    "name": [{"family": f"{CANARY}-family", "given": [f"{CANARY}-given"], "text": f"{CANARY}-text"}],
    "telecom": [{"system": "phone", "value": f"{CANARY}-phone"}],
    "address": [{"line": [f"{CANARY}-line"], "city": f"{CANARY}-city", "postalCode": f"{CANARY}-zip"}],
    "photo": [{"data": f"{CANARY}-photo", "url": f"{CANARY}-url"}],
    "contact": [{"name": {"text": f"{CANARY}-contact"}, "modifierExtension": [{"url": f"{CANARY}-url"}]}],
    "communication": [{"language": {"text": f"{CANARY}-language"}}],
    "generalPractitioner": [{"display": f"{CANARY}-doctor"}],
    "managingOrganization": {"display": f"{CANARY}-organization"},
    "text": {"status": "generated", "div": f"<div>{CANARY}-div</div>"},
    "contained": [{"resourceType": "Patient", "id": "c", "name": [{"text": f"{CANARY}-contained"}]}],
    "extension": [{"url": "urn:religion", "valueString": f"{CANARY}-extension"}],
    "meta": {
        "versionId": "3",
        "lastUpdated": "2026-01-01T00:00:00Z",
        "source": f"{CANARY}-source",
        "tag": [{"display": f"{CANARY}-tag"}],
        "profile": [f"{CANARY}-profile"],
    },
    "unknownElement": f"{CANARY}-unknown",
}


def talkative(resource: Resource) -> Resource:
    """A resource with text planted wherever its type has room for it."""
    logical = {"identifier": {"value": f"{CANARY}-logical"}, "display": f"{CANARY}-display"}
    spoken = {
        "coding": [{"system": "urn:s", "code": "c", "extension": [{"url": "urn:x", "valueCode": CANARY}]}]
    }
    person = {"reference": "Patient/p1", **logical}
    return {
        **resource,
        "subject": person,
        "patient": person,
        "text": {"status": "generated", "div": f"<div>{CANARY}</div>"},
        "note": [{"text": f"{CANARY}-note", "authorString": f"{CANARY}-author"}],
        "identifier": [{"value": f"{CANARY}-identifier"}],
        "code": {**spoken, "text": f"{CANARY}-code-text", "id": CANARY},
        "event": {**spoken, "text": f"{CANARY}-event-text"},
        "category": [{"text": f"{CANARY}-category"}],
        "performer": [{"actor": {"display": f"{CANARY}-actor"}, "display": f"{CANARY}-performer"}],
        "recorder": {"display": f"{CANARY}-recorder"},
        "asserter": {"display": f"{CANARY}-asserter"},
        "encounter": {"reference": "Encounter/e1", "display": f"{CANARY}-encounter"},
        "reasonReference": [{"reference": "Condition/c1", "display": f"{CANARY}-reason"}],
        "focus": [{"reference": "Condition/c1", "display": f"{CANARY}-focus"}],
        "suspectEntity": [
            {"instance": {"reference": "Procedure/x", **logical}, "causality": [{"author": person}]}
        ],
        "component": [{"code": {**spoken, "text": f"{CANARY}-component"}, "valueString": f"{CANARY}-value"}],
        "description": f"{CANARY}-description",
        "followUp": [{"text": f"{CANARY}-follow-up"}],
        "extension": [
            {"url": INTENT, "valueCodeableConcept": {**spoken, "text": f"{CANARY}-intent"}},
            {"url": GRADE, "valueString": f"{CANARY}-grade"},
            {"url": GRADE, "valueIdentifier": {"value": f"{CANARY}-grade-identifier"}},
            {"url": GRADE, "extension": [{"url": GRADE, "valueString": f"{CANARY}-nested"}]},
            {"url": "urn:unknown", "valueString": f"{CANARY}-unknown"},
        ],
    }


@pytest.mark.parametrize("fhir_version", ["R4", "R5"])
@pytest.mark.parametrize("resource", chart("p1"), ids=lambda each: each["resourceType"])
def test_nothing_that_is_not_listed_is_stored(resource: Resource, fhir_version: FhirVersion) -> None:
    planted = talkative(resource)
    assert str(planted).count(CANARY) > 20
    assert CANARY not in reduced(planted, fhir_version).body


def test_of_a_patient_only_sex_birth_and_death_are_stored() -> None:
    assert body(PERSON) == {
        "resourceType": "Patient",
        "id": "p1",
        "gender": "female",
        "birthDate": "1960-02-03",
        "deceasedDateTime": "2021-01-01",
        "meta": {"versionId": "3", "lastUpdated": "2026-01-01T00:00:00Z"},
    }


def test_a_valid_resource_keeps_all_that_the_views_read() -> None:
    for resource in chart("p1"):
        assert body(resource) == json.loads(canonical(resource))


def test_body_site_texts_are_kept_and_other_texts_are_not() -> None:
    resource = procedure("x", "p1") | {"bodySite": [{"text": "T8"}], "reasonCode": [{"text": CANARY}]}
    assert body(resource)["bodySite"] == [{"text": "T8"}]
    assert "reasonCode" not in body(resource)


def test_the_site_text_of_an_r5_body_structure_is_kept() -> None:
    site = {"structure": {"text": "D8"}, "qualifier": [{"text": CANARY}]}
    resource = {"resourceType": "BodyStructure", "id": "b", "includedStructure": [site]}
    assert body(resource, "R5")["includedStructure"] == [{"structure": {"text": "D8"}}]


def test_the_display_of_a_code_is_kept_and_that_of_a_reference_is_not() -> None:
    resource = procedure("x", "p1")
    resource["code"]["coding"][0]["display"] = "Cryotherapy"
    resource["subject"]["display"] = CANARY
    assert body(resource)["code"]["coding"][0]["display"] == "Cryotherapy"
    assert body(resource)["subject"] == {"reference": "Patient/p1"}


def test_a_listed_extension_is_kept_with_its_code() -> None:
    coded = {"coding": [{"system": "urn:s", "code": "c"}]}
    resource = procedure("x", "p1") | {"extension": [{"url": INTENT, "valueCodeableConcept": coded}]}
    assert body(resource)["extension"] == [{"url": INTENT, "valueCodeableConcept": coded}]


def test_what_an_answer_is_worth_is_kept_with_its_coding() -> None:
    worth = [
        {"url": f"http://hl7.org/fhir/StructureDefinition/{name}", "valueDecimal": 3}
        for name in ("ordinalValue", "itemWeight")
    ]
    spoken = {"url": "http://hl7.org/fhir/StructureDefinition/rendering", "valueString": CANARY}
    coding = {"system": "urn:s", "code": "three", "extension": worth}
    answer = {"coding": [coding | {"extension": [*worth, spoken]}]}
    component = {"code": {"coding": [{"code": "c"}]}, "valueCodeableConcept": answer}
    resource = {
        "resourceType": "Observation",
        "id": "o",
        "valueCodeableConcept": answer,
        "component": [component],
    }
    assert body(resource)["valueCodeableConcept"] == {"coding": [coding]}
    assert body(resource)["component"][0]["valueCodeableConcept"] == {"coding": [coding]}


def test_of_a_logical_reference_it_stays_that_there_was_one() -> None:
    logical = {"identifier": {"system": "urn:mrn", "value": CANARY}, "display": CANARY}
    resource = procedure("x", "p1") | {
        "encounter": logical,
        "partOf": [logical],
        "subject": {"display": CANARY},
    }
    assert body(resource)["encounter"] == {"identifier": {}}
    assert body(resource)["partOf"] == [{"identifier": {}}]
    assert "subject" not in body(resource)


def test_an_r5_reason_keeps_concept_and_reference() -> None:
    reason = [{"reference": {"reference": "Condition/c"}}, {"concept": {"coding": [{"code": "c"}]}}]
    resource = {"resourceType": "Procedure", "id": "x", "reason": reason}
    assert body(resource, "R5")["reason"] == reason


def test_number_text_is_preserved() -> None:
    resource = decode_object(b'{"resourceType":"Observation","id":"o","valueQuantity":{"value":7.10}}')
    assert '"value":7.10' in reduced(resource).body


NUMBERS = st.decimals(allow_nan=False, allow_infinity=False) | st.integers(-(10**40), 10**40)
TEXTS = st.text(st.characters(exclude_categories=()) | st.sampled_from('\x7f\x1f\t\n\\"/\u2028é'), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=500, deadline=None, derandomize=True, database=None)
@given(value=VALUES)
def test_canonical_text_is_the_same_whoever_writes_it(value: Any) -> None:
    plain = simplejson.dumps(
        value, use_decimal=True, sort_keys=True, separators=(",", ":"), ensure_ascii=True
    )
    assert canonical(value) == plain


def test_the_hash_ignores_meta_key_order_and_what_is_dropped() -> None:
    plain = observation("o", "p1")
    shuffled = dict(reversed(plain.items())) | {"meta": {"versionId": "9"}, "note": [{"text": "x"}]}
    assert reduced(plain).content_hash == reduced(shuffled).content_hash


def test_the_hash_sees_a_changed_value() -> None:
    assert reduced(observation("o", "p1", 7)).content_hash != reduced(observation("o", "p1", 8)).content_hash


def test_precision_is_a_change() -> None:
    one, two = (
        observation("o", "p1") | {"valueQuantity": {"value": Decimal(text)}} for text in ("7.1", "7.10")
    )
    assert reduced(one).content_hash != reduced(two).content_hash


@pytest.mark.parametrize(
    ("extra", "path"),
    [
        ({"modifierExtension": [{"url": "urn:not", "valueBoolean": True}]}, "Procedure.modifierExtension"),
        ({"code": {"modifierExtension": [{"url": "urn:not"}]}}, "Procedure.code.modifierExtension"),
        ({"implicitRules": "urn:rules"}, "Procedure.implicitRules"),
    ],
)
def test_an_unknown_modifier_is_an_issue(extra: Resource, path: str) -> None:
    assert [issue.path for issue in reduced(procedure("x", "p1") | extra).issues] == [path]


def test_a_modifier_inside_what_is_dropped_is_none_of_ours() -> None:
    assert reduced(PERSON).issues == ()


@pytest.mark.parametrize(
    "broken", [{"code": "text"}, {"code": ["x", None, [1]]}, {"meta": 1}, {"extension": {}}]
)
def test_any_json_object_can_be_minimised(broken: Resource) -> None:
    stored = reduced(procedure("x", "p1") | broken)
    assert json.loads(stored.body)["id"] == "x"
    assert len(stored.content_hash) == 64


def test_half_a_surrogate_pair_can_be_stored_in_quarantine() -> None:
    stored = reduced(procedure("x", "p1", code="\ud800"))
    assert stored.body.isascii()


def test_what_is_remembered_of_concepts_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server could send any number of them, of any length."""
    monkeypatch.setattr(minimise_of, "_MOST_REMEMBERED", 3)
    place = minimise_of._root(kept("Observation")).below["code"]
    place.reduced.clear()
    for number in range(10):
        concept = {"coding": [{"system": "urn:x", "code": f"c{number}"}]}
        told = reduced({"resourceType": "Observation", "id": "o", "code": concept})
        assert f'"code":"c{number}"' in told.body
        assert 0 < len(place.reduced) <= 3
    long = {"coding": [{"system": "urn:x", "code": "c" * 3_000}]}
    reduced({"resourceType": "Observation", "id": "o", "code": long})
    assert max(map(len, place.reduced)) < 3_000
