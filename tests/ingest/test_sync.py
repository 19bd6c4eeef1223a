"""The story of a sync over real HTTP into a real warehouse: converging, honest, incremental."""

import datetime as dt
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from ingest import landing
from ingest.client import FhirClient
from ingest.gate_pool import GatePool
from ingest.sync import CenterReport, SyncContext, UnitLanded, sync_center
from mappings.errors import ConfigError, ForbiddenError, ServerError, SignInError
from tests.ingest.examples import (
    CODE_MAP,
    QUICK,
    Resource,
    center,
    chart,
    condition,
    observation,
    patient,
    procedure,
)
from tests.ingest.loopback import START, Answer, Fault, FhirServer, Seen, outcome, serving
from warehouse.connection import Warehouse
from warehouse.land import coverage, members
from warehouse.runs import start_run

GATE = GatePool(1, in_place=1_000_000)
TYPES = ["AdverseEvent", "BodyStructure", "Condition", "Observation", "Patient", "Procedure"]


def never() -> bool:
    return False


@dataclass
class Audience:
    """Remembers the progress it heard."""

    events: list[UnitLanded] = field(default_factory=list)

    def landed(self, event: UnitLanded) -> None:
        self.events.append(event)


@dataclass
class Place:
    """A server, a warehouse and the nights between; our clock runs five seconds ahead of the server's."""

    server: FhirServer
    warehouse: Warehouse
    changes: dict[str, Any] = field(default_factory=dict)
    audience: Audience = field(default_factory=Audience)

    def sync(self, **changes: Any) -> CenterReport:
        now = self.server.clock + dt.timedelta(seconds=5)
        run_id = start_run(self.warehouse, kind="sync", now=now, version="0", config_fingerprint="x")
        told = center(self.server.base_url, patient_batch=2, **changes)
        context = SyncContext(run_id, CODE_MAP, lambda: now, self.audience, never, GATE)
        self.server.seen.clear()
        with FhirClient(told, QUICK) as client:
            return sync_center(told, client, self.warehouse, context)

    def night(self) -> None:
        self.server.clock += dt.timedelta(days=2)

    def heads(self) -> dict[tuple[str, str], str]:
        rows = self.warehouse.rows("SELECT resource_type, resource_id, content_hash FROM ops.head")
        return {(row["resource_type"], row["resource_id"]): row["content_hash"] for row in rows}

    def landed(self, report: CenterReport) -> int:
        return sum(counts.landed for counts in report.counts.values())


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    resources = [resource for key in ("p1", "p2", "p3") for resource in chart(key)]
    with serving(FhirServer(resources)) as server, Warehouse.open(tmp_path / "warehouse") as warehouse:
        yield Place(server, warehouse)


def keys(*patients: str) -> set[tuple[str, str]]:
    return {(each["resourceType"], each["id"]) for key in patients for each in chart(key)}


def asks_about(resource_type: str) -> Any:
    return lambda seen: seen.resource_type == resource_type


def loss(answer: Answer) -> Answer:
    issue = {"severity": "error", "code": "suppressed"}
    entry = {"resource": {"resourceType": "OperationOutcome", "issue": [issue]}}
    return answer.edited(lambda bundle: bundle["entry"].append(entry))


def test_the_first_sync_brings_the_cohorts_resources(place: Place) -> None:
    report = place.sync()
    assert (report.status, report.reasons, report.error, report.warnings) == ("complete", (), None, 0)
    assert set(place.heads()) == keys("p1", "p2", "p3")
    assert members(place.warehouse, "a") == ["p1", "p2", "p3"]
    assert sorted(report.counts) == TYPES
    assert report.counts["Observation"].landed == 3
    assert report.counts["Procedure"].received == 6  # by the cohort search and by the patient search


def test_the_second_sync_lands_nothing_and_asks_only_for_changes(place: Place) -> None:
    place.sync()
    before = place.heads()
    place.night()
    report = place.sync()
    assert report.status == "complete"
    assert place.landed(report) == 0
    assert place.heads() == before
    assert all("_lastUpdated" in seen.query for seen in place.server.seen)


def test_what_is_read_again_within_the_overlap_is_unchanged(place: Place) -> None:
    place.sync()
    report = place.sync()
    assert place.landed(report) == 0
    assert report.counts["Observation"].unchanged == 3


def test_a_changed_resource_lands_once(place: Place) -> None:
    place.sync()
    before = place.heads()
    place.night()
    place.server.put(observation("pain-p2", "p2", 3))
    report = place.sync()
    assert place.landed(report) == 1
    after = place.heads()
    assert {key for key in after if after[key] != before[key]} == {("Observation", "pain-p2")}


def test_a_new_patient_comes_with_the_whole_history(place: Place) -> None:
    for resource in chart("p9"):
        if resource["resourceType"] != "Procedure":
            place.server.put(resource)
    place.sync()
    assert set(place.heads()) == keys("p1", "p2", "p3")
    place.night()
    place.server.put(procedure("cryo-p9", "p9"))
    report = place.sync()
    assert report.status == "complete"
    assert set(place.heads()) == keys("p1", "p2", "p3", "p9")
    whole = [
        seen.query["subject"][0]
        for seen in place.server.asked("Observation")
        if "_lastUpdated" not in seen.query
    ]
    assert whole == ["Patient/p9"]


def test_only_a_cryoablation_makes_a_member_but_other_ablations_are_kept(place: Place) -> None:
    place.server.put(procedure("rf-p8", "p8", code="RF"))
    place.server.put(patient("p8"))
    place.sync()
    assert ("Procedure", "rf-p8") in place.heads()
    assert ("Patient", "p8") not in place.heads()
    assert members(place.warehouse, "a") == ["p1", "p2", "p3"]


@pytest.mark.row(77)
def test_the_watermark_is_the_servers_time_when_its_clock_is_behind_ours(place: Place) -> None:
    place.sync()
    watermarks = {entry.watermark for entry in coverage(place.warehouse, "a", "Observation").values()}
    assert watermarks == {START}


@pytest.mark.row(77)
def test_a_server_ahead_of_us_cannot_move_the_watermark_past_our_clock(place: Place) -> None:
    ours = START - dt.timedelta(hours=7)
    run_id = start_run(place.warehouse, kind="sync", now=ours, version="0", config_fingerprint="x")
    told = center(place.server.base_url)
    with FhirClient(told, QUICK) as client:
        sync_center(
            told,
            client,
            place.warehouse,
            SyncContext(run_id, CODE_MAP, lambda: ours, place.audience, never, GATE),
        )
    assert {entry.watermark for entry in coverage(place.warehouse, "a", "Patient").values()} == {ours}


def test_without_a_server_time_everything_is_read_again(place: Place) -> None:
    place.server.without_date = True
    report = place.sync()
    assert report.status == "complete"
    assert report.warnings > 0
    assert coverage(place.warehouse, "a", "Observation") == {}
    place.sync()
    assert not any("_lastUpdated" in seen.query for seen in place.server.seen)


def test_a_loss_the_server_admits_lands_its_data_but_not_its_coverage(place: Place) -> None:
    fault = place.server.add(Fault(asks_about("Observation"), loss))
    report = place.sync()
    assert fault.fired == 1
    assert report.status == "incomplete"
    assert report.error is None
    assert "suppressed" in report.reasons[0]
    assert set(place.heads()) == keys("p1", "p2", "p3")
    assert set(coverage(place.warehouse, "a", "Observation")) == {"p3"}
    assert set(coverage(place.warehouse, "a", "Patient")) == {"p1", "p2", "p3"}


def test_a_loss_in_the_cohort_search_keeps_the_members_found_and_asks_again(place: Place) -> None:
    fault = place.server.add(Fault(asks_about("Procedure"), loss))
    report = place.sync()
    assert fault.fired == 1
    assert report.status == "incomplete"
    assert members(place.warehouse, "a") == ["p1", "p2", "p3"]
    assert "" not in coverage(place.warehouse, "a", "Procedure")
    assert place.sync().status == "complete"
    assert "" in coverage(place.warehouse, "a", "Procedure")


@pytest.mark.row(78)
def test_a_walk_that_breaks_off_lands_what_was_read_and_the_next_night_completes_it(place: Place) -> None:
    fault = place.server.add(
        Fault(
            lambda seen: seen.is_next and seen.resource_type == "Observation",
            lambda _: outcome(500, "exception"),
            99,
        )
    )
    report = place.sync(page_size=1)
    assert fault.fired > 0
    assert report.status == "incomplete"
    assert isinstance(report.error, ServerError)
    assert report.reasons == (report.error.message,)
    assert ("Observation", "pain-p1") in place.heads()
    assert ("Observation", "pain-p2") not in place.heads()
    assert {"p1", "p2"}.isdisjoint(coverage(place.warehouse, "a", "Observation"))  # the batch that broke off
    place.server.faults.clear()
    place.night()
    assert place.sync(page_size=1).status == "complete"
    assert set(place.heads()) == keys("p1", "p2", "p3")


@pytest.mark.parametrize(("status", "kind"), [(401, SignInError), (403, SignInError), (503, ServerError)])
def test_a_server_that_refuses_ends_the_center_and_keeps_the_warehouse(
    place: Place, status: int, kind: type[Exception]
) -> None:
    place.sync()
    before, known = place.heads(), coverage(place.warehouse, "a", "Procedure")
    place.night()
    fault = place.server.add(Fault(lambda _: True, lambda _: outcome(status, "login"), 99))
    report = place.sync()
    assert fault.fired > 0
    assert isinstance(report.error, kind)
    assert report.status == "incomplete"
    assert place.heads() == before
    assert coverage(place.warehouse, "a", "Procedure") == known


@pytest.mark.row(49)
@pytest.mark.parametrize(("status", "kind"), [(403, ForbiddenError), (404, ServerError)])
def test_a_type_that_is_refused_leaves_the_other_types_alone(
    place: Place, status: int, kind: type[Exception]
) -> None:
    place.sync()
    place.night()
    for resource in chart("p4"):
        place.server.put(resource)
    refused = place.server.add(Fault(asks_about("AdverseEvent"), lambda _: outcome(status, "forbidden"), 99))
    report = place.sync()
    assert 0 < refused.fired <= 4  # those already under way
    assert report.status == "incomplete"
    assert type(report.error) is kind
    assert set(place.heads()) == keys("p1", "p2", "p3", "p4") - {("AdverseEvent", "ae-p4")}
    place.server.faults.clear()
    assert place.sync().status == "complete"
    assert set(place.heads()) == keys("p1", "p2", "p3", "p4")


@pytest.mark.row(78)
def test_a_long_answer_lands_in_chunks_and_only_the_last_moves_the_watermark(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landing, "CHUNK_RESOURCES", 2)
    monkeypatch.setattr(landing, "PAGES_IN_THE_GATE", 1)
    for number in range(7):
        place.server.put(observation(f"more-{number}", "p1"))
    report = place.sync(page_size=1)
    steps = place.warehouse.rows("SELECT received FROM ops.step WHERE resource_type = 'Observation'")
    assert max(row["received"] for row in steps) == 2
    assert len(steps) > 4
    assert report.counts["Observation"].landed == 10
    assert sorted(coverage(place.warehouse, "a", "Observation")) == ["p1", "p2", "p3"]


def test_queries_run_side_by_side_up_to_the_centers_limit(place: Place) -> None:
    together, most, lock = 0, 0, threading.Lock()
    full = threading.Barrier(3, timeout=5)

    def slow(answer: Answer) -> Answer:
        nonlocal together, most
        with lock:
            together += 1
            most = max(most, together)
        full.wait()  # nobody passes before three are here
        with lock:
            together -= 1
        return answer

    place.server.add(
        Fault(lambda seen: seen.resource_type != "Procedure" or "subject" in seen.query, slow, 99)
    )
    assert place.sync(concurrency=3).status == "complete"
    assert most == 3


def test_an_empty_code_map_is_a_configuration_error_not_the_centers(place: Place) -> None:
    told = center(place.server.base_url, center_id="b")
    context = SyncContext(1, CODE_MAP, lambda: START, place.audience, never, GATE)
    with FhirClient(told, QUICK) as client, pytest.raises(ConfigError):
        sync_center(told, client, place.warehouse, context)
    assert place.server.seen == []


def test_an_invalid_resource_is_quarantined_and_the_others_land(place: Place) -> None:
    bad = observation("bad", "p1") | {"status": None, "valueString": "CANARY"}
    place.server.put({name: value for name, value in bad.items() if value is not None})
    report = place.sync()
    assert report.status == "complete"
    assert report.counts["Observation"].quarantined == 1
    assert set(place.heads()) == keys("p1", "p2", "p3")
    rows = place.warehouse.rows("SELECT resource_id, rule, path, message, body FROM ops.quarantine")
    assert {row["resource_id"] for row in rows} == {"bad"}
    assert "CANARY" not in str([(row["rule"], row["path"], row["message"]) for row in rows])


def test_a_resource_with_an_unknown_modifier_is_quarantined(place: Place) -> None:
    place.server.put(
        procedure("odd", "p1") | {"modifierExtension": [{"url": "urn:not-done", "valueBoolean": True}]}
    )
    place.sync()
    rows = place.warehouse.rows("SELECT DISTINCT rule, path FROM ops.quarantine WHERE resource_id = 'odd'")
    assert rows == [{"rule": "modifier", "path": "Procedure.modifierExtension"}]


def test_a_server_that_ignores_filters_gives_us_nobody_elses_data(place: Place) -> None:
    stranger = observation("stranger", "p77")
    broken = {name: value for name, value in observation("broken", "p77").items() if name != "status"}
    other = observation("weight", "p1") | {
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]}
    }
    fault = place.server.add(
        Fault(
            asks_about("Observation"),
            lambda answer: answer.edited(
                lambda bundle: bundle["entry"].extend(
                    {"resource": each} for each in (stranger, broken, other)
                )
            ),
        )
    )
    report = place.sync()
    assert fault.fired == 1
    assert set(place.heads()) == keys("p1", "p2", "p3")
    assert place.warehouse.rows("SELECT resource_id FROM ops.quarantine") == []
    assert report.warnings == 3


def test_of_two_versions_in_one_walk_the_newer_is_kept(place: Place) -> None:
    def twice(answer: Answer) -> Answer:
        def change(bundle: Resource) -> None:
            old = bundle["entry"][0]["resource"]
            new = json.loads(json.dumps(old)) | {"valueQuantity": {"value": 1}}
            new["meta"] = {"versionId": "2", "lastUpdated": "2026-03-01T12:00:01Z"}
            bundle["entry"].insert(0, {"resource": new})

        return answer.edited(change)

    fault = place.server.add(Fault(asks_about("Observation"), twice))
    place.sync()
    assert fault.fired == 1
    (row,) = place.warehouse.rows("SELECT version_id FROM ops.head WHERE resource_id = 'pain-p1'")
    assert row["version_id"] == "2"


def test_number_text_reaches_the_raw_layer(place: Place) -> None:
    def precise(answer: Answer) -> Answer:
        return replace(answer, body=answer.body.replace(b'"value": 7', b'"value": 7.10'))

    fault = place.server.add(Fault(asks_about("Observation"), precise, 9))
    place.sync()
    assert fault.fired > 0
    rows = place.warehouse.rows(
        "SELECT body FROM read_parquet(?)", [f"{place.warehouse.folder}/raw/a/Observation/*/*.parquet"]
    )
    assert len(rows) == 3
    assert all('"value":7.10}' in row["body"] for row in rows)


def test_a_server_without_post_gives_the_same_warehouse(place: Place, tmp_path: Path) -> None:
    place.sync()
    fault = place.server.add(
        Fault(lambda seen: seen.method == "POST", lambda _: outcome(405, "not-supported"), 99)
    )
    with Warehouse.open(tmp_path / "other") as warehouse:
        other = Place(place.server, warehouse)
        assert other.sync().status == "complete"
        assert other.heads() == place.heads()
    assert fault.fired == 1


@pytest.mark.parametrize("changes", [{"page_size": 1}, {"page_size": 2, "patient_batch": 1}])
def test_page_and_batch_size_do_not_change_the_result(
    place: Place, tmp_path: Path, changes: dict[str, int]
) -> None:
    place.sync()
    with Warehouse.open(tmp_path / "other") as warehouse:
        other = Place(place.server, warehouse)
        run_id = start_run(warehouse, kind="sync", now=START, version="0", config_fingerprint="x")
        told = center(place.server.base_url, **changes)
        with FhirClient(told, QUICK) as client:
            sync_center(
                told,
                client,
                warehouse,
                SyncContext(run_id, CODE_MAP, lambda: START, other.audience, never, GATE),
            )
        assert other.heads() == place.heads()


def test_progress_tells_every_unit_once(place: Place) -> None:
    place.sync()
    events = place.audience.events
    assert [(event.step, event.number, event.units) for event in events][:2] == [
        ("cohort", 1, 1),
        ("patient", 1, 12),
    ]
    assert [event.number for event in events[1:]] == list(range(1, 13))
    assert sum(event.counts.landed for event in events) == len(place.heads())


def test_steps_are_counted_in_the_ledger(place: Place) -> None:
    report = place.sync()
    rows = place.warehouse.rows(
        "SELECT resource_type, sum(received)::BIGINT AS received, sum(landed)::BIGINT AS landed "
        "FROM ops.step GROUP BY ALL ORDER BY ALL"
    )
    assert [(row["resource_type"], row["received"], row["landed"]) for row in rows] == [
        (name, counts.received, counts.landed) for name, counts in sorted(report.counts.items())
    ]


def test_a_condition_moved_to_a_member_is_found(place: Place) -> None:
    place.server.put(condition("moved", "p77"))
    place.sync()
    assert ("Condition", "moved") not in place.heads()
    place.night()
    place.server.put(condition("moved", "p1"))
    place.sync()
    assert ("Condition", "moved") in place.heads()


def test_strict_handling_is_asked_of_every_search(place: Place) -> None:
    place.sync()

    def is_strict(seen: Seen) -> bool:
        return seen.headers.get("Prefer") == "handling=strict"

    assert all(is_strict(seen) for seen in place.server.seen if not seen.is_next)
