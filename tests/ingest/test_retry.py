"""Asking again for what was refused: over real HTTP, into a real warehouse, by today's gate."""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ingest import accept
from ingest.client import FhirClient
from ingest.gate import Issue, judge
from ingest.gate_pool import GatePool
from ingest.retry import AskedAgain, Retried, retry_center
from ingest.source import ByExport
from ingest.sync import SyncContext, sync_center
from mappings.errors import ForbiddenError, UnreachableError
from tests.ingest import bulk_place, bulk_server
from tests.ingest.examples import CODE_MAP, LOINC, QUICK, center, chart, concept, observation
from tests.ingest.loopback import Fault, FhirServer, Seen, outcome, serving
from warehouse.connection import Warehouse
from warehouse.faults import Which, gate_refused
from warehouse.land import coverage, members
from warehouse.runs import start_run

GATE = GatePool(1, in_place=1_000_000)
ALL = Which()
REFUSED = {"pain-p1", "met-p2", "p2"}


class Silent:
    def landed(self, event: object) -> None:
        """Nobody listens."""


@dataclass
class Place:
    """A server and a warehouse that an older gate, which refused some, has filled."""

    server: FhirServer
    warehouse: Warehouse
    is_stopping: Callable[[], bool] = lambda: False

    def context(self, kind: Any) -> SyncContext:
        now = self.server.clock + dt.timedelta(seconds=5)
        run_id = start_run(self.warehouse, kind=kind, now=now, version="0", config_fingerprint="x")
        return SyncContext(run_id, CODE_MAP, lambda: now, Silent(), self.is_stopping, GATE)

    def sync(self) -> None:
        told = center(self.server.base_url)
        with FhirClient(told, QUICK) as client:
            assert sync_center(told, client, self.warehouse, self.context("sync")).status == "complete"

    def retry(self, which: Which = ALL, **changes: Any) -> Retried:
        refused = {name: ids for (_, name), ids in gate_refused(self.warehouse, which).items()}
        told = center(self.server.base_url, **changes)
        self.server.seen.clear()
        with FhirClient(told, QUICK) as client:
            return retry_center(told, client, self.warehouse, self.context("retry"), refused)

    def refused(self) -> set[str]:
        return {each for ids in gate_refused(self.warehouse, ALL).values() for each in ids}

    def heads(self) -> set[str]:
        return {row["resource_id"] for row in self.warehouse.rows("SELECT resource_id FROM ops.head")}


def refusing(*ids: str) -> Callable[..., list[Issue]]:
    """A gate that refuses these, whatever they are."""

    def gate(resource: Any, fhir_version: Any) -> list[Issue]:
        if resource.get("id") in ids:
            return [Issue("model:too-strict", "status", "this gate knows no better")]
        return judge(resource, fhir_version)

    return gate


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    resources = [resource for key in ("p1", "p2") for resource in chart(key)]
    with serving(FhirServer(resources)) as server, Warehouse.open(tmp_path / "warehouse") as warehouse:
        found = Place(server, warehouse)
        with monkeypatch.context() as patch:
            patch.setattr(accept, "judge", refusing(*REFUSED))
            for _ in range(2):  # twice, so that the second night's overlap does not reach back to them
                found.sync()
                server.clock += dt.timedelta(days=3)
        assert found.refused() == REFUSED
        assert found.heads().isdisjoint(REFUSED)
        yield found


def said(retried: Retried) -> dict[str, AskedAgain]:
    return {each.resource_type: each for each in retried.types}


def test_the_next_night_does_not_ask_for_them_and_a_retry_lands_them(place: Place) -> None:
    place.sync()
    assert place.refused() == REFUSED
    covered = coverage(place.warehouse, "a", "Observation")
    retried = place.retry()
    assert (retried.report.status, retried.report.warnings) == ("complete", 0)
    assert {name: told.asked for name, told in said(retried).items()} == {
        "Condition": 1,
        "Observation": 1,
        "Patient": 1,
    }
    assert place.refused() == set()
    assert place.heads() >= REFUSED
    # A read tells nothing of other resources: the next sync asks from where it would have asked.
    assert coverage(place.warehouse, "a", "Observation") == covered
    assert place.retry().types == []
    assert place.server.seen == []


def test_a_patient_is_asked_for_by_post_and_no_id_of_a_patient_is_in_a_url(place: Place) -> None:
    place.retry()
    assert sorted(place.server.reads()) == ["Condition/met-p2", "Observation/pain-p1"]
    (search,) = place.server.asked("Patient")
    assert (search.method, search.query["_id"]) == ("POST", ["p2"])
    assert all("p2" not in seen.raw_path.split("/") for seen in place.server.seen)


def test_what_is_still_refused_stays_with_todays_reason(place: Place) -> None:
    broken = {name: value for name, value in observation("pain-p1", "p1").items() if name != "status"}
    place.server.put(broken)
    assert place.retry(Which(resource_type="Observation")).report.status == "complete"
    assert place.refused() == REFUSED
    rules = "SELECT rule FROM ops.quarantine WHERE is_open AND resource_id = 'pain-p1'"
    assert {row["rule"] for row in place.warehouse.rows(rules)} == {"model:model_field_validation.missing"}


def test_what_the_server_deleted_is_refused_no_longer(place: Place) -> None:
    place.server.remove("Observation", "pain-p1")
    told = said(place.retry(Which(rule="model:too-strict")))["Observation"]
    assert (told.asked, told.deleted, told.unasked, told.untold) == (1, 1, 0, 0)
    assert "pain-p1" not in place.refused() | place.heads()


@pytest.mark.parametrize(
    "other",
    [
        observation("pain-p1", "p1") | {"code": concept(LOINC, "29463-7")},
        observation("pain-p1", "stranger"),
    ],
    ids=["recoded", "of another patient"],
)
def test_what_is_not_the_studys_any_more_is_not_kept(place: Place, other: dict[str, Any]) -> None:
    place.server.put(other)
    told = said(place.retry())["Observation"]
    assert (told.unasked, told.deleted) == (1, 0)
    assert "pain-p1" not in place.refused() | place.heads()


def test_a_patient_whom_no_search_finds_stays_and_is_told(place: Place) -> None:
    place.server.remove("Patient", "p2")
    told = said(place.retry())["Patient"]
    assert (told.asked, told.deleted, told.untold) == (1, 0, 1)
    assert place.refused() == {"p2"}


def test_a_procedure_of_the_cohort_that_passes_brings_its_patient(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for resource in chart("p3"):
        place.server.put(resource)
    with monkeypatch.context() as patch:
        patch.setattr(accept, "judge", refusing("cryo-p3"))
        place.sync()
    assert members(place.warehouse, "a") == ["p1", "p2"]
    place.retry(Which(resource_type="Procedure"))
    assert members(place.warehouse, "a") == ["p1", "p2", "p3"]
    place.sync()
    assert place.heads() >= {each["id"] for each in chart("p3")}


def test_a_type_that_may_not_be_read_is_told_and_leaves_the_others_alone(place: Place) -> None:
    fault = place.server.add(
        Fault(lambda seen: seen.resource_type == "Condition", lambda _: outcome(403, "forbidden"), times=9)
    )
    report = place.retry().report
    assert fault.fired
    assert report.status == "incomplete"
    assert isinstance(report.error, ForbiddenError)
    assert "met-p2" not in report.error.message
    assert place.refused() == {"met-p2"}


def test_a_dead_server_ends_it_and_everything_stays(place: Place) -> None:
    fault = place.server.add(Fault(lambda _: True, lambda _: outcome(503, "transient"), times=10**6))
    report = place.retry().report
    assert fault.fired
    assert isinstance(report.error, UnreachableError)
    assert place.refused() == REFUSED


def test_a_retry_that_is_to_stop_says_that_it_is_not_complete(place: Place) -> None:
    place.is_stopping = lambda: True
    report = place.retry().report
    assert (report.status, place.server.seen) == ("incomplete", [])
    assert place.refused() == REFUSED


def test_ids_that_cannot_be_part_of_a_url_are_not_asked_for(place: Place) -> None:
    """'..' has FHIR's form of an id, and is another address."""

    def is_read(seen: Seen) -> bool:
        return seen.read_id is not None

    with place.warehouse.transaction() as transaction:
        transaction.execute("UPDATE ops.quarantine SET resource_id = '..' WHERE resource_id = 'pain-p1'")
    report = place.retry(Which(resource_type="Observation")).report
    assert report.status == "incomplete"
    assert not any(is_read(seen) for seen in place.server.seen)


@pytest.fixture
def exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[bulk_place.Place]:
    resources = [resource for key in ("p1", "p2") for resource in chart(key)]
    with (
        bulk_server.serving(bulk_server.BulkServer(resources)) as server,
        Warehouse.open(tmp_path / "warehouse") as warehouse,
    ):
        found = bulk_place.Place(server, warehouse)
        with monkeypatch.context() as patch:
            patch.setattr(accept, "judge", refusing(*REFUSED))
            patch.setattr(accept, "is_surely_valid", lambda *_: False)
            assert found.sync().status == "complete"
        yield found


def retry_exported(place: bulk_place.Place) -> Retried:
    told = center(place.server.base_url, source=ByExport())
    refused = {name: ids for (_, name), ids in gate_refused(place.warehouse, ALL).items()}
    with FhirClient(told, QUICK) as client:
        return retry_center(told, client, place.warehouse, place.context(), refused)


def test_a_center_read_by_export_is_asked_by_id(exported: bulk_place.Place) -> None:
    assert retry_exported(exported).report.status == "complete"
    assert gate_refused(exported.warehouse, ALL) == {}
    assert {resource_id for _, resource_id in exported.heads()} >= REFUSED


@pytest.mark.parametrize("status", [401, 403, 404, 405, 501])
def test_a_center_read_by_export_that_answers_no_reads_has_said_nothing(
    exported: bulk_place.Place, status: int
) -> None:
    exported.server.refuses_reads = status
    retried = retry_exported(exported)
    assert retried.report.status == "complete"
    assert sum(told.untold for told in retried.types) == len(REFUSED)
    assert sum(map(len, gate_refused(exported.warehouse, ALL).values())) == len(REFUSED)
