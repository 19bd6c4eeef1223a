"""A query says exactly what is asked, can be cut without loss, and recognises what was not asked."""

from urllib.parse import parse_qs

import pytest

from ingest.query import CodeFilter, PatientFilter, Query, codings, escape, local_id
from tests.ingest.examples import Resource, concept, observation, patient

BASE = "https://fhir.example.org/r4"
CODES = CodeFilter("code", (("http://loinc.org", "72514-3"), ("urn:x", "a"), ("urn:x", "b")))
PATIENTS = PatientFilter("subject", "subject", ("p1", "p2"))
OPTIONS = (("_count", "200"),)


def test_alternatives_are_joined_and_patients_typed() -> None:
    form = parse_qs(Query("Observation", CODES, PATIENTS, OPTIONS).encoded())
    assert form == {
        "code": ["http://loinc.org|72514-3,urn:x|a,urn:x|b"],
        "subject": ["Patient/p1,Patient/p2"],
        "_count": ["200"],
    }


def test_an_id_parameter_takes_bare_ids() -> None:
    assert ("_id", "p1,p2") in Query("Patient", None, PatientFilter("_id", "id", ("p1", "p2")), ()).form()


def test_separators_inside_a_code_are_escaped() -> None:
    assert escape(r"a,b|c$d\e") == r"a\,b\|c\$d\\e"


def leaves(query: Query) -> list[Query]:
    halves = query.halves()
    return [query] if halves is None else [leaf for half in halves for leaf in leaves(half)]


def test_cutting_a_query_asks_every_code_of_every_patient_once() -> None:
    pairs = [
        (leaf.codes.codings, leaf.patients.patient_ids)
        for leaf in leaves(Query("Observation", CODES, PATIENTS, OPTIONS))
        if leaf.codes and leaf.patients
    ]
    assert sorted(pairs) == sorted(
        ((coding,), (patient_id,)) for coding in CODES.codings for patient_id in PATIENTS.patient_ids
    )


@pytest.mark.parametrize(
    ("resource", "is_admitted"),
    [
        (observation("o", "p1"), True),
        (observation("o", "p3"), False),
        (observation("o", "p1") | {"code": concept("urn:other", "72514-3")}, True),
        (observation("o", "p1") | {"code": concept("urn:x", "A")}, True),
        (observation("o", "p1") | {"code": concept("http://loinc.org", "85354-9")}, False),
        (observation("o", "p1") | {"subject": {"reference": f"{BASE}/Patient/p2/_history/3"}}, True),
        # These name no patient of the server: the gate has them, they are not about others.
        (observation("o", "p1") | {"subject": {"reference": "https://else.example/Patient/p2"}}, True),
        (observation("o", "p1") | {"subject": {"reference": "Group/p1"}}, True),
    ],
)
def test_what_was_not_asked_is_not_admitted(resource: Resource, is_admitted: bool) -> None:
    assert Query("Observation", CODES, PATIENTS, OPTIONS).admits(resource, BASE) is is_admitted


def test_a_patient_is_admitted_by_its_own_id() -> None:
    query = Query("Patient", None, PatientFilter("_id", "id", ("p1",)), ())
    assert query.admits(patient("p1"), BASE)
    assert not query.admits(patient("p2"), BASE)


@pytest.mark.parametrize(
    "code",
    [
        "72514-3",
        ["72514-3"],
        {"coding": "72514-3"},
        {"coding": {"code": "72514-3"}},
        {"coding": [{"code": "72514-3"}]},
    ],
)
def test_the_codes_of_an_invalid_resource_are_compared_as_well(code: object) -> None:
    query = Query("Observation", CODES, PATIENTS, OPTIONS)
    assert query.admits(observation("o", "p1") | {"code": code}, BASE)


def test_a_resource_without_a_readable_patient_lacks_its_patient() -> None:
    query = Query("Observation", CODES, PATIENTS, OPTIONS)
    assert query.lacks_patient({"subject": {"display": "somebody"}}, BASE)
    assert not query.lacks_patient(observation("o", "p9"), BASE)
    assert not Query("Procedure", CODES, None, ()).lacks_patient({"subject": {}}, BASE)


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("Patient/p1", "p1"),
        ("Patient/p1/_history/2", "p1"),
        (f"{BASE}/Patient/p1", "p1"),
        ("https://fhir.example.org/other/Patient/p1", None),
        ("#p1", None),
        ("urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", None),
        ("Patient?identifier=x", None),
        ("Practitioner/p1", None),
        ("Patient/" + "x" * 65, None),
        (None, None),
        (7, None),
    ],
)
def test_only_references_to_this_server_are_resolved(reference: object, found: str | None) -> None:
    assert local_id(reference, "Patient", f"{BASE}/") == found


@pytest.mark.parametrize(
    "broken", [None, "x", {"coding": "x"}, {"coding": ["x", {"code": 1}, {"system": "s"}]}]
)
def test_a_broken_concept_has_no_codings(broken: object) -> None:
    assert codings(broken) == []
