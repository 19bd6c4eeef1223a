"""What the data mean, over real HTTP: instants, missing meta, references, children before their parents."""

import datetime as dt
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ingest.client import FhirClient
from ingest.context import SyncContext
from ingest.gate_pool import GatePool
from ingest.sync import CenterReport, sync_center
from tests.ingest.examples import CODE_MAP, QUICK, Resource, center, chart, observation
from tests.ingest.loopback import Answer, Fault, FhirServer, serving
from warehouse.connection import Warehouse
from warehouse.runs import start_run

GATE = GatePool(1, in_place=1_000_000)


class Silent:
    def landed(self, event: object) -> None:
        """Nobody listens."""


class Place:
    """A server, a warehouse and the nights between."""

    def __init__(self, server: FhirServer, warehouse: Warehouse) -> None:
        self.server = server
        self.warehouse = warehouse

    def sync(self, **changes: Any) -> CenterReport:
        now = self.server.clock + dt.timedelta(seconds=5)
        run_id = start_run(self.warehouse, kind="sync", now=now, version="0", config_fingerprint="x")
        told = center(self.server.base_url, **changes)
        self.server.seen.clear()
        context = SyncContext(run_id, CODE_MAP, lambda: now, Silent(), lambda: False, GATE)
        with FhirClient(told, QUICK) as client:
            return sync_center(told, client, self.warehouse, context)

    def head(self, resource_id: str) -> Resource:
        (row,) = self.warehouse.rows("FROM ops.head WHERE resource_id = ?", [resource_id])
        return row


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with serving(FhirServer(chart("p1"))) as server, Warehouse.open(tmp_path / "warehouse") as warehouse:
        yield Place(server, warehouse)


def with_meta(meta: Resource | None) -> Callable[[Answer], Answer]:
    """Every Observation with this meta, or without any."""

    def change(answer: Answer) -> Answer:
        def edit(bundle: Resource) -> None:
            for entry in bundle["entry"]:
                entry["resource"].pop("meta")
                entry["resource"] |= {"meta": meta} if meta is not None else {}

        return answer.edited(edit)

    return change


@pytest.mark.row(62)
@pytest.mark.parametrize("meta", [None, {}, {"versionId": "1"}])
def test_without_a_date_of_change_everything_is_read_and_the_content_decides(
    place: Place, meta: Resource | None
) -> None:
    fault = place.server.add(Fault(lambda seen: seen.resource_type == "Observation", with_meta(meta), 99))
    assert place.sync().status == "complete"
    first = place.head("pain-p1")
    assert first["last_updated"] is None
    place.server.clock += dt.timedelta(days=2)
    place.server.put(observation("pain-p1", "p1", 2))
    place.server.clock += dt.timedelta(days=2)  # longer ago than any overlap
    report = place.sync()
    assert fault.fired == 2
    assert report.counts["Observation"].landed == 1
    assert place.head("pain-p1")["content_hash"] != first["content_hash"]
    assert place.sync().counts["Observation"].unchanged == 1
    (asked,) = place.server.asked("Observation")
    assert "_lastUpdated" not in asked.query
    assert "_lastUpdated" in place.server.asked("Condition")[0].query


@pytest.mark.row(62)
def test_one_date_for_all_is_no_date_of_change_until_a_resource_differs(place: Place) -> None:
    """The server fills in one date and finds nothing by it: what has changed comes by reading everything."""
    constant: Resource = {"versionId": "1", "lastUpdated": "2020-01-01T00:00:00Z"}
    for number in range(25):
        place.server.put(observation(f"more-{number}", "p1"))
    fault = place.server.add(Fault(lambda seen: seen.resource_type == "Observation", with_meta(constant), 3))
    report = place.sync()
    assert (report.status, report.warnings, report.remarks) == ("complete", 0, ())
    place.server.clock += dt.timedelta(days=2)
    place.server.put(observation("pain-p1", "p1", 2))
    place.server.clock += dt.timedelta(days=2)  # longer ago than any overlap
    for landed in (1, 0):
        report = place.sync()
        assert report.counts["Observation"].landed == landed
        assert report.warnings == 1
        (remark,) = report.remarks
        assert "Observation comes with the same date of change on every resource" in remark
        assert "_lastUpdated" not in place.server.asked("Observation")[0].query
        assert "_lastUpdated" in place.server.asked("Condition")[0].query
    assert fault.fired == 3
    report = place.sync()  # it tells its own dates now: read in full once more, then for changes
    assert len(report.remarks) == 1
    report = place.sync()
    assert report.remarks == ()
    assert "_lastUpdated" in place.server.asked("Observation")[0].query


@pytest.mark.row(63)
@pytest.mark.parametrize(
    ("first", "second", "wins"),
    [
        ("2026-03-01T12:00:00Z", "2026-03-01T09:00:01-04:00", True),
        ("2026-03-01T12:00:00Z", "2026-03-01T13:59:59+02:00", False),
        ("2026-03-01T12:00:00Z", "2026-03-01T12:00:00.001Z", True),
        ("2026-03-01T12:00:00.5Z", "2026-03-01T12:00:00.25Z", False),
        ("2026-03-01T23:30:00-05:00", "2026-03-02T03:00:00Z", False),
    ],
)
def test_dates_of_change_are_compared_as_instants_whatever_their_zone_and_precision(
    place: Place, first: str, second: str, *, wins: bool
) -> None:
    served = {"versionId": "a", "lastUpdated": first}
    fault = place.server.add(Fault(lambda seen: seen.resource_type == "Observation", with_meta(served), 99))
    place.sync()
    before = place.head("pain-p1")
    served["lastUpdated"] = second
    place.server.put(observation("pain-p1", "p1", 2))
    report = place.sync()
    assert fault.fired == 2
    assert report.counts["Observation"].landed == int(wins)
    assert (place.head("pain-p1")["content_hash"] != before["content_hash"]) is wins


@pytest.mark.row(66)
@pytest.mark.parametrize(
    ("subject", "becomes"),
    [
        ({"reference": "Patient/p1"}, "landed"),
        ({"reference": "Patient/p1/_history/3"}, "landed"),
        ({"reference": "{base}/Patient/p1"}, "landed"),
        ({"reference": "{base}/Patient/p1/_history/3"}, "landed"),
        ({"reference": "https://elsewhere.example.org/fhir/Patient/p1"}, "quarantined"),
        ({"reference": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"}, "quarantined"),
        ({"reference": "#p1"}, "quarantined"),
        ({"identifier": {"system": "urn:mrn", "value": "1"}}, "quarantined"),
        ({"reference": "Patient/p77"}, "left out"),
    ],
)
def test_a_reference_to_the_patient_is_read_or_said_to_be_unreadable_and_never_followed(
    place: Place, subject: Resource, becomes: str
) -> None:
    text = json.dumps(subject).replace("{base}", place.server.base_url)
    resource = observation("odd", "p1") | {"subject": json.loads(text)}

    def add(answer: Answer) -> Answer:
        return answer.edited(lambda bundle: bundle["entry"].append({"resource": resource}))

    fault = place.server.add(Fault(lambda seen: seen.resource_type == "Observation", add))
    report = place.sync()
    assert fault.fired == 1
    heads = place.warehouse.rows("FROM ops.head WHERE resource_id = 'odd'")
    faults = place.warehouse.rows("SELECT DISTINCT rule FROM ops.quarantine WHERE resource_id = 'odd'")
    assert (len(heads), [row["rule"] for row in faults], report.warnings) == {
        "landed": (1, [], 0),
        "quarantined": (0, ["subject"], 0),
        "left out": (0, [], 1),
    }[becomes]
    assert place.server.reads() == []


@pytest.mark.row(67)
def test_a_child_that_arrives_before_its_parent_lands(place: Place) -> None:
    place.server.remove("Patient", "p1")
    report = place.sync()
    assert report.status == "complete"
    assert place.head("pain-p1")
    assert place.warehouse.rows("FROM ops.head WHERE resource_type = 'Patient'") == []
    place.server.clock += dt.timedelta(days=2)
    place.server.put(chart("p1")[0])
    assert place.sync().counts["Patient"].landed == 1


@pytest.mark.row(67)
def test_equal_ids_at_two_centers_are_two_resources(place: Place, tmp_path: Path) -> None:
    place.sync()
    own = [replace(code, center_id="b") for code in CODE_MAP]
    told = center(place.server.base_url, center_id="b")
    context = SyncContext(9, own, lambda: place.server.clock, Silent(), lambda: False, GATE)
    with FhirClient(told, QUICK) as client:
        assert sync_center(told, client, place.warehouse, context).status == "complete"
    rows = place.warehouse.rows(
        "SELECT resource_id, count(DISTINCT center_id) AS centers, count(*) AS n FROM ops.head GROUP BY ALL"
    )
    assert {(row["centers"], row["n"]) for row in rows} == {(2, 2)}
