"""A center read by export or from a folder, compared with a whole export: only what is gone leaves."""

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ingest.client import FhirClient
from ingest.context import ReconcileRules, SyncContext
from ingest.manifest import parse_manifest
from ingest.source import ByExport, ByFolder
from ingest.sync import CenterReport, sync_center
from tests.ingest.bulk_place import GATE, Place, Silent, landed
from tests.ingest.bulk_server import BulkServer, lines, serving
from tests.ingest.examples import CODE_MAP, LOINC, center, chart, concept, observation, procedure
from warehouse.connection import Warehouse
from warehouse.land import members
from warehouse.runs import start_run

PATIENTS = ("p1", "p2", "p3")
FORCED = ReconcileRules(is_forced=True)
ACCEPTED = ReconcileRules(accepted=frozenset({"a"}))
PAIN = ("Observation", "pain-p1")


def keys(*patients: str) -> set[tuple[str, str]]:
    return {(each["resourceType"], each["id"]) for key in patients for each in chart(key)}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    resources = [resource for key in PATIENTS for resource in chart(key)]
    with serving(BulkServer(resources)) as server, Warehouse.open(tmp_path / "warehouse") as warehouse:
        found = Place(server, warehouse)
        assert found.sync().status == "complete"
        found.night()
        found.rules = FORCED
        yield found


@pytest.mark.row(59)
def test_what_a_whole_export_lacks_and_the_server_says_is_gone_leaves(place: Place) -> None:
    place.server.remove(*PAIN)
    place.rules = ReconcileRules()
    assert place.sync().status == "complete"
    assert PAIN in place.heads()  # an export of changes does not tell
    place.rules = FORCED
    report = place.sync()
    assert (report.status, report.departed, report.remarks) == ("complete", {"Observation": 1}, ())
    assert place.heads() == keys(*PATIENTS) - {PAIN}
    assert place.departures() == {PAIN: "deleted"}
    assert place.server.reads() == ["Observation/pain-p1"]
    (kick_off,) = place.server.of("kick-off")
    assert kick_off.values("_since") == []
    assert landed(place.sync()) == {}


def test_with_nothing_missing_nothing_is_asked_for_and_nothing_leaves(place: Place) -> None:
    before = place.warehouse.rows("FROM ops.head ORDER BY ALL")
    report = place.sync()
    assert (report.status, report.departed, report.warnings) == ("complete", {}, 0)
    assert place.server.reads() == []
    assert place.warehouse.rows("FROM ops.head ORDER BY ALL") == before
    compared = place.warehouse.rows("SELECT resource_type, heads, seen, departed FROM ops.reconciliation")
    assert len(compared) == 6
    assert {(row["heads"], row["seen"], row["departed"]) for row in compared} == {(3, 3, 0)}


def test_the_export_is_of_everything_on_the_days_that_are_due_and_of_changes_on_the_others(
    place: Place,
) -> None:
    place.rules = ReconcileRules(every=dt.timedelta(days=7))
    whole = []
    for day in range(3, 16):
        place.sync()
        (kick_off,) = place.server.of("kick-off")
        if not kick_off.values("_since"):
            whole.append(day)
        place.server.clock += dt.timedelta(days=1)
    assert whole == [8, 15]  # the first landing was on day 1


def test_what_the_export_left_out_and_the_server_still_has_stays_and_is_told(place: Place) -> None:
    place.server.hidden = {"pain-p1"}
    report = place.sync()
    assert (report.status, report.departed, report.warnings) == ("complete", {}, 1)
    assert place.heads() == keys(*PATIENTS)


def test_a_resource_recoded_or_moved_leaves_by_the_export_itself(place: Place) -> None:
    place.server.put(observation("pain-p1", "p1") | {"code": concept(LOINC, "29463-7")})
    place.server.put(observation("pain-p2", "stranger"))
    assert place.sync().departed == {"Observation": 2}
    assert place.server.reads() == []
    assert place.departures() == {PAIN: "recoded", ("Observation", "pain-p2"): "moved"}


def test_a_patient_without_a_procedure_of_the_cohort_leaves_with_everything(place: Place) -> None:
    ablation = next(each for each in chart("p2") if each["resourceType"] == "Procedure")
    place.server.remove("Procedure", ablation["id"])
    report = place.sync()
    assert report.status == "complete"
    assert place.heads() == keys("p1", "p3")
    assert members(place.warehouse, "a") == ["p1", "p3"]
    reasons = place.departures()
    assert reasons.pop(("Procedure", ablation["id"])) == "deleted"
    assert set(reasons.values()) == {"moved"}
    assert place.server.reads() == [f"Procedure/{ablation['id']}"]


@pytest.mark.row(60)
@pytest.mark.parametrize("status", [401, 403, 404, 405, 501])
def test_a_server_that_does_not_answer_reads_keeps_everything_until_an_operator_accepts(
    place: Place, status: int
) -> None:
    place.server.remove(*PAIN)
    place.server.refuses_reads = status
    for _ in range(3):
        report = place.sync()
        assert (report.status, report.departed) == ("complete", {})
        assert "lacks 1 Observation resources" in report.remarks[0]
        assert "--accept-deletions a" in report.remarks[0]
        assert place.heads() == keys(*PATIENTS)
        place.night()
    place.rules = ACCEPTED
    assert place.sync().departed == {"Observation": 1}
    assert place.departures() == {PAIN: "absent"}
    assert place.warehouse.rows("FROM ops.absence") == []


def test_a_read_that_fails_decides_nothing_and_the_next_sync_asks_again(place: Place) -> None:
    place.server.remove(*PAIN)
    place.server.refuses_reads = 500
    assert place.sync().status == "incomplete"
    assert place.heads() == keys(*PATIENTS)
    place.server.refuses_reads = None
    assert place.sync().departed == {"Observation": 1}


@pytest.mark.row(60)
def test_more_than_the_limit_is_held_back_until_an_operator_accepts(place: Place) -> None:
    place.server.put(*[observation(f"more-{number:02d}", "p1") for number in range(30)])
    place.sync()
    for number in range(21):
        place.server.remove("Observation", f"more-{number:02d}")
    report = place.sync()
    assert report.status == "incomplete"
    assert "--accept-deletions a" in report.reasons[0]
    assert place.departures() == {}
    assert place.noted() == []  # the export itself was read to its end
    place.rules = ACCEPTED
    report = place.sync()
    assert (report.status, report.departed) == ("complete", {"Observation": 21})


@pytest.mark.row(60)
def test_a_type_that_an_export_lacks_whole_is_held_back(place: Place) -> None:
    place.server.hidden = {f"pain-{each}" for each in PATIENTS}
    assert place.sync().status == "incomplete"
    assert place.heads() == keys(*PATIENTS)
    assert place.server.reads() == []


@pytest.mark.row(53)
def test_an_export_with_errors_is_compared_with_nothing(place: Place) -> None:
    place.server.remove(*PAIN)
    place.server.errors = [
        {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "processing"}]}
    ]
    assert place.sync().status == "incomplete"
    assert place.heads() == keys(*PATIENTS)
    assert place.server.reads() == []


def test_patients_who_left_the_group_stay_until_an_operator_accepts(place: Place) -> None:
    place.source = ByExport(group_id="spine")
    assert place.sync().status == "complete"
    place.server.hidden = {resource_id for _, resource_id in keys("p3")}
    report = place.sync()
    assert (report.status, report.departed, report.warnings) == ("complete", {}, len(keys("p3")))
    place.rules = ACCEPTED
    assert place.sync().status == "complete"
    assert place.heads() == keys("p1", "p2")
    assert members(place.warehouse, "a") == ["p1", "p2"]
    assert set(place.departures().values()) == {"moved"}


def test_an_older_version_beside_the_current_one_is_no_step_back(place: Place) -> None:
    newer = observation("pain-p1", "p1") | {"status": "corrected"}
    place.server.put(newer)
    place.sync()
    (held,) = place.warehouse.rows("SELECT content_hash FROM ops.head WHERE resource_id = 'pain-p1'")
    old = observation("pain-p1", "p1") | {"meta": {"versionId": "1", "lastUpdated": "2020-01-01T00:00:00Z"}}
    place.server._store["Observation", "old"] = old
    assert landed(place.sync()) == {}
    assert place.warehouse.rows("SELECT content_hash FROM ops.head WHERE resource_id = 'pain-p1'") == [held]


class Inbox:
    """A folder handed over night after night."""

    def __init__(self, folder: Path, warehouse: Warehouse) -> None:
        self.folder = folder
        self.warehouse = warehouse
        self.now = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
        self.request = "https://fhir.example.org/r4/Patient/$export?_outputFormat=ndjson"
        self.resources = {(r["resourceType"], r["id"]): r for key in PATIENTS for r in chart(key)}
        folder.mkdir()

    def deliver(self, **changes: Any) -> None:
        """Another export of everything, made a day later."""
        self.now += dt.timedelta(days=1)
        output = []
        for name in sorted({resource_type for resource_type, _ in keys(*PATIENTS)}):
            of_type = [each for (kind, _), each in self.resources.items() if kind == name]
            (self.folder / f"{name}.ndjson").write_bytes(lines(of_type))
            output.append({"type": name, "url": f"{name}.ndjson", "count": len(of_type)})
        told = {
            "transactionTime": (self.now - dt.timedelta(hours=1)).isoformat(),
            "request": self.request,
            "requiresAccessToken": False,
            "output": output,
        }
        (self.folder / "manifest.json").write_text(json.dumps(told | changes))

    def sync(self, rules: ReconcileRules = FORCED) -> CenterReport:
        self.now += dt.timedelta(minutes=1)
        run_id = start_run(self.warehouse, kind="sync", now=self.now, version="0", config_fingerprint="x")
        context = SyncContext(run_id, CODE_MAP, lambda: self.now, Silent(), bool, GATE, rules)
        told = center("http://127.0.0.1:9/fhir", source=ByFolder(self.folder))  # nobody listens there
        with FhirClient(told) as client:
            return sync_center(told, client, self.warehouse, context)

    def heads(self) -> set[tuple[str, str]]:
        rows = self.warehouse.rows("SELECT resource_type, resource_id FROM ops.head")
        return {(row["resource_type"], row["resource_id"]) for row in rows}


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    with Warehouse.open(tmp_path / "warehouse") as warehouse:
        found = Inbox(tmp_path / "inbox", warehouse)
        found.deliver()
        assert found.sync(ReconcileRules()).status == "complete"
        yield found


@pytest.mark.row(59)
def test_what_two_complete_deliveries_in_a_row_lack_leaves(inbox: Inbox) -> None:
    del inbox.resources[PAIN]
    inbox.deliver()
    report = inbox.sync()
    assert (report.status, report.departed) == ("complete", {})
    assert "last complete delivery lacks 1 Observation" in report.remarks[0]
    assert inbox.sync().departed == {}  # the same delivery read again is no second one
    assert inbox.heads() == keys(*PATIENTS)
    inbox.deliver()
    report = inbox.sync(ReconcileRules())  # not due, and decided all the same
    assert (report.status, report.departed, report.remarks) == ("complete", {"Observation": 1}, ())
    assert inbox.heads() == keys(*PATIENTS) - {PAIN}
    reasons = inbox.warehouse.rows("SELECT reason FROM ops.departure")
    assert reasons == [{"reason": "absent"}]
    assert inbox.warehouse.rows("FROM ops.absence") == []


def test_what_a_delivery_in_between_holds_is_not_missing_twice(inbox: Inbox) -> None:
    kept = inbox.resources.pop(PAIN)
    for _ in range(3):
        inbox.deliver()
        assert inbox.sync().departed == {}
        inbox.resources[PAIN] = kept
        inbox.deliver()
        assert inbox.sync().departed == {}
        assert inbox.warehouse.rows("FROM ops.absence") == []
        del inbox.resources[PAIN]
    assert inbox.heads() == keys(*PATIENTS)


def test_an_operator_may_accept_the_first_delivery(inbox: Inbox) -> None:
    del inbox.resources[PAIN]
    inbox.deliver()
    assert inbox.sync(ACCEPTED).departed == {"Observation": 1}


@pytest.mark.row(60)
@pytest.mark.parametrize(
    "changes",
    [
        {"request": "https://fhir.example.org/r4/Patient/$export?_type=Patient"},
        {"request": "https://fhir.example.org/r4/Patient/$export?_since=2026-01-01T00:00:00Z"},
        {"request": "https://fhir.example.org/r4/Patient/$export"},
        {"request": ""},
        {"transactionTime": "yesterday"},
    ],
    ids=["types", "since", "post", "untold", "undated"],
)
def test_a_delivery_that_does_not_say_that_it_is_of_everything_is_compared_with_nothing(
    inbox: Inbox, changes: dict[str, str]
) -> None:
    del inbox.resources[PAIN]
    for _ in range(3):
        inbox.deliver(**changes)
        report = inbox.sync()
        assert (report.status, report.departed) == ("complete", {})
        assert "deletions cannot be noticed" in report.remarks[0]
    assert inbox.heads() == keys(*PATIENTS)
    assert inbox.warehouse.rows("FROM ops.reconciliation") == []


def test_a_folder_without_manifest_says_so_when_a_comparison_is_due_and_only_then(inbox: Inbox) -> None:
    (inbox.folder / "manifest.json").unlink()
    assert inbox.sync(ReconcileRules()).remarks == ()
    inbox.now += dt.timedelta(days=7)
    assert "no manifest" in inbox.sync(ReconcileRules()).remarks[0]


@pytest.mark.row(60)
def test_a_delivery_that_lacks_too_much_is_held_back_at_once(inbox: Inbox) -> None:
    for number in range(30):
        inbox.resources["Observation", f"more-{number}"] = observation(f"more-{number}", "p1")
    inbox.deliver()
    assert inbox.sync().status == "complete"
    for number in range(21):
        del inbox.resources["Observation", f"more-{number}"]
    for _ in range(3):
        inbox.deliver()
        report = inbox.sync()
        assert (report.status, report.departed) == ("incomplete", {})
    assert inbox.sync(ACCEPTED).departed == {"Observation": 21}


def test_a_patient_leaves_with_the_second_delivery_without_a_procedure_of_the_cohort(inbox: Inbox) -> None:
    ablation = next(each for each in chart("p2") if each["resourceType"] == "Procedure")
    del inbox.resources["Procedure", ablation["id"]]
    inbox.deliver()
    assert inbox.sync().departed == {}
    assert members(inbox.warehouse, "a") == list(PATIENTS)
    inbox.deliver()
    assert inbox.sync().status == "complete"
    assert inbox.heads() == keys("p1", "p3")
    assert members(inbox.warehouse, "a") == ["p1", "p3"]


def test_a_resource_that_comes_back_is_current_again(inbox: Inbox) -> None:
    kept = inbox.resources.pop(PAIN)
    inbox.deliver()
    inbox.sync(ACCEPTED)
    inbox.resources[PAIN] = kept
    inbox.deliver()
    assert inbox.sync().status == "complete"
    assert inbox.heads() == keys(*PATIENTS)


def test_a_procedure_more_makes_no_comparison_undecided(inbox: Inbox) -> None:
    inbox.resources["Procedure", "new"] = procedure("new", "p1")
    inbox.deliver()
    assert inbox.sync().remarks == ()


@pytest.mark.parametrize(
    ("request_url", "is_whole"),
    [
        ("https://x/fhir/Patient/$export?_type=Patient,Procedure", True),
        ("https://x/fhir/Group/g1/$export?_type=Patient%2CProcedure&_outputFormat=x", True),
        ("https://x/fhir/$export?_type=Patient&_type=Procedure", True),
        ("https://x/fhir/Patient/$export?_type=Patient", False),
        ("https://x/fhir/Patient/$export?_outputFormat=x&_typeFilter=Patient%3Fgender%3Dmale", False),
        ("https://x/fhir/Patient/$export?_outputFormat=x&_since=", False),
        ("https://x/fhir/Patient?_type=Patient,Procedure", False),
    ],
)
def test_only_a_request_that_leaves_nothing_out_is_of_everything(request_url: str, is_whole: bool) -> None:
    told = {"transactionTime": "", "requiresAccessToken": False, "output": [], "request": request_url}
    assert parse_manifest(told, "file:///").is_of_all(["Patient", "Procedure"]) is is_whole
