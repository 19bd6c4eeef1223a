"""The noise of the demo centers: complete, labelled, valid where it should be, and apart from the cohort."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest
import requests
from demo_reading import address, references
from fhir import resources as r5
from fhir.resources import R4B
from pydantic import ValidationError

from service.demo import center_a, center_b
from service.demo.cohort import read_cohort
from service.demo.fhir import DemoCenter, Resource
from service.demo.noise import noise
from service.demo.noise_item import NoiseItem
from service.demo.server import DemoServers, demo_servers

CENTERS = ("a", "b")
MODELS: Mapping[str, Any] = {"a": R4B, "b": r5}
BOTH = {
    "a score charted twice",
    "a resource twice on a page",
    "a score entered in error",
    "a treatment entered in error",
    "a score of 11",
    "a visual analog score in mm",
    "scores outside every window",
    "treatments never completed",
    "cryoablation of a rib",
    "cryoablation of a kidney",
    "radiofrequency of a vertebra",
    "a disease status of the whole patient",
    "a score under a local code nobody mapped",
    "an adverse event that only might have been",
    "an adverse event long after any session",
    "invalid scores",
    "a warning among the results",
}
ONLY = {
    "a": {"a score after death", "a treatment before the study"},
    "b": {"an adverse event entered in error", "cryoablation of a primary bone tumor"},
}


@pytest.fixture(scope="module")
def centers() -> Mapping[str, DemoCenter]:
    patients = read_cohort()
    return {"a": center_a.build(patients), "b": center_b.build(patients)}


@pytest.fixture(scope="module")
def items(centers: Mapping[str, DemoCenter]) -> Mapping[str, Sequence[NoiseItem]]:
    patients = read_cohort()
    return {name: noise(center, patients) for name, center in centers.items()}


def resources(items: Sequence[NoiseItem], *visibilities: str) -> list[Resource]:
    return [each for item in items if item.visibility in visibilities for each in item.resources]


def labelled(items: Sequence[NoiseItem], label: str) -> tuple[Resource, ...]:
    return next(item.resources for item in items if item.label == label)


@pytest.mark.parametrize("center_id", CENTERS)
def test_every_kind_of_noise_is_there_once(items: Mapping[str, Sequence[NoiseItem]], center_id: str) -> None:
    labels = [item.label for item in items[center_id]]
    assert len(labels) == len(set(labels))
    assert set(labels) == BOTH | ONLY[center_id]


@pytest.mark.parametrize("center_id", CENTERS)
def test_noise_is_valid_unless_it_is_meant_for_quarantine(
    items: Mapping[str, Sequence[NoiseItem]], center_id: str
) -> None:
    models = MODELS[center_id]
    for each in resources(items[center_id], "absent", "excluded", "repeated", "reported"):
        models.get_fhir_model_class(each["resourceType"]).model_validate_json(json.dumps(each))
    invalid = resources(items[center_id], "quarantined")
    assert len(invalid) == 2
    for each in invalid:
        with pytest.raises(ValidationError):
            models.get_fhir_model_class(each["resourceType"]).model_validate_json(json.dumps(each))


@pytest.mark.parametrize("center_id", CENTERS)
def test_noise_has_ids_of_its_own_and_its_references_resolve(
    centers: Mapping[str, DemoCenter], items: Mapping[str, Sequence[NoiseItem]], center_id: str
) -> None:
    added = resources(items[center_id], "absent", "excluded", "quarantined", "repeated")
    own, cohort = [address(each) for each in added], {address(each) for each in centers[center_id].resources}
    assert len(set(own)) == len(own)
    assert not set(own) & cohort
    named = set(references(added))
    assert named <= set(own) | cohort
    assert {each for item in items[center_id] for each in item.repeats} <= cohort


@pytest.mark.parametrize("center_id", CENTERS)
def test_outsiders_are_patients_of_their_own(
    centers: Mapping[str, DemoCenter], items: Mapping[str, Sequence[NoiseItem]], center_id: str
) -> None:
    strangers = [
        each
        for each in resources(items[center_id], "absent", "excluded")
        if each["resourceType"] == "Patient"
    ]
    assert len(strangers) == 4
    assert not {each["id"] for each in strangers} & set(centers[center_id].patient_ids.values())


def test_the_score_after_death_follows_the_recorded_death(
    centers: Mapping[str, DemoCenter], items: Mapping[str, Sequence[NoiseItem]]
) -> None:
    (late,) = labelled(items["a"], "a score after death")
    patient = next(each for each in centers["a"].resources if address(each) == late["subject"]["reference"])
    assert late["effectiveDateTime"][:10] > patient["deceasedDateTime"][:10]


@pytest.mark.parametrize(("center_id", "index"), [("a", date(2010, 10, 12)), ("b", date(2013, 12, 20))])
def test_scores_outside_lie_in_no_window(
    items: Mapping[str, Sequence[NoiseItem]], center_id: str, index: date
) -> None:
    taken = [each["effectiveDateTime"] for each in labelled(items[center_id], "scores outside every window")]
    days = [(date.fromisoformat(each[:10]) - index).days for each in taken]
    assert all(day < -30 or 2 < day < 21 for day in days)
    assert min(days) < -30


@pytest.mark.parametrize("center_id", CENTERS)
def test_a_whole_patient_disease_status_names_no_lesion(
    items: Mapping[str, Sequence[NoiseItem]], center_id: str
) -> None:
    (status,) = labelled(items[center_id], "a disease status of the whole patient")
    assert not {"focus", "bodySite", "bodyStructure"} & status.keys()


def now() -> datetime:
    return datetime(2026, 11, 23, 2, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def servers() -> Any:
    with demo_servers(now) as running:
        yield running


@pytest.mark.parametrize("center_id", CENTERS)
def test_servers_hold_the_cohort_and_its_noise_and_nothing_else(
    servers: DemoServers,
    centers: Mapping[str, DemoCenter],
    items: Mapping[str, Sequence[NoiseItem]],
    center_id: str,
) -> None:
    held = set()
    expected = [
        *centers[center_id].resources,
        *resources(items[center_id], "absent", "excluded", "quarantined", "repeated"),
    ]
    for resource_type in (
        "Patient",
        "Condition",
        "Procedure",
        "AdverseEvent",
        "BodyStructure",
        "Observation",
    ):
        page = requests.get(
            f"{servers.urls[center_id]}/{resource_type}", {"_count": "1000"}, timeout=10
        ).json()
        assert len(page["link"]) == 1
        matches = [each for each in page.get("entry", []) if each["search"]["mode"] == "match"]
        held |= {address(each["resource"]) for each in matches}
    assert held == {address(each) for each in expected}


@pytest.mark.parametrize("center_id", CENTERS)
def test_a_page_repeats_one_resource_and_carries_one_warning(servers: DemoServers, center_id: str) -> None:
    page = requests.get(f"{servers.urls[center_id]}/Observation", {"_count": "10"}, timeout=10).json()
    matches = [address(each["resource"]) for each in page["entry"] if each["search"]["mode"] == "match"]
    outcomes = [each["resource"] for each in page["entry"] if each["search"]["mode"] == "outcome"]
    assert (len(matches), len(set(matches))) == (11, 10)
    assert [issue["severity"] for each in outcomes for issue in each["issue"]] == ["warning"]
    further = requests.get(page["link"][1]["url"], timeout=10).json()
    assert all(each["search"]["mode"] == "match" for each in further["entry"])


def test_the_cohort_is_stamped_before_now(servers: DemoServers) -> None:
    stamps = set()
    for resource_type in ("Patient", "Observation"):
        page = requests.get(f"{servers.a_url}/{resource_type}", {"_count": "1000"}, timeout=10).json()
        stamps |= {
            e["resource"]["meta"]["lastUpdated"] for e in page["entry"] if e["search"]["mode"] == "match"
        }
    assert all(datetime.fromisoformat(each) < now() for each in stamps)
    assert len(stamps) > 1
