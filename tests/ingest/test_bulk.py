"""The story of a sync by export over real HTTP: the cohort alone, only changes, new patients whole."""

import datetime as dt
import json
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ingest.plan import asks
from ingest.source import ByExport, BySearch
from tests.ingest.bulk_place import Place, landed
from tests.ingest.bulk_server import START, Answer, Asked, Fault, about, lines, serving
from tests.ingest.bulk_server import BulkServer as Server
from tests.ingest.examples import (
    CODE_MAP,
    LOINC,
    center,
    chart,
    concept,
    condition,
    observation,
    patient,
    procedure,
    reference,
)
from warehouse import departures
from warehouse.connection import Warehouse
from warehouse.land import members

TYPES = "AdverseEvent,BodyStructure,Condition,Observation,Patient,Procedure"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    resources = [resource for key in ("p1", "p2") for resource in chart(key)]
    with serving(Server(resources)) as server, Warehouse.open(tmp_path / "warehouse") as warehouse:
        yield Place(server, warehouse)


def keys(*patients: str) -> set[tuple[str, str]]:
    return {(each["resourceType"], each["id"]) for key in patients for each in chart(key)}


def stranger() -> list[dict[str, object]]:
    """Somebody without a cryoablation, with a name that no study may hold."""
    return [
        patient("x1") | {"name": [{"family": "CANARY-name"}]},
        procedure("rf-x1", "x1", "APPENDECTOMY"),
        observation("pain-x1", "x1"),
        condition("met-x1", "x1"),
    ]


def test_the_first_export_brings_the_cohort_and_nobody_else(place: Place) -> None:
    place.server.put(*stranger())
    report = place.sync()
    assert (report.status, report.reasons, report.error, report.warnings) == ("complete", (), None, 0)
    assert place.heads() == keys("p1", "p2")
    assert members(place.warehouse, "a") == ["p1", "p2"]
    (kick_off,) = place.server.of("kick-off")
    assert kick_off.path == "/fhir/Patient/$export"
    assert kick_off.values("_type") == [TYPES]
    assert kick_off.values("_since") == []
    assert kick_off.headers["Cache-Control"] == "no-cache"


def test_codes_that_the_study_did_not_ask_for_are_dropped_though_the_patient_is_of_the_cohort(
    place: Place,
) -> None:
    other = observation("weight-p1", "p1") | {"code": concept(LOINC, "29463-7")}
    place.server.put(other)
    report = place.sync()
    assert place.heads() == keys("p1", "p2")
    assert (report.counts["Observation"].received, report.warnings) == (2, 0)


def test_a_group_is_exported_where_one_is_configured(place: Place) -> None:
    place.source = ByExport(group_id="spine-1")
    assert place.sync().status == "complete"
    assert place.server.of("kick-off")[0].path == "/fhir/Group/spine-1/$export"


def test_files_lie_private_while_they_are_read_and_are_gone_afterwards(place: Place) -> None:
    modes: dict[str, int] = {}

    def look(answer: Answer) -> Answer:
        for path in (place.warehouse.folder / "spill" / "exports").rglob("*"):
            modes[path.name] = stat.S_IMODE(path.stat().st_mode)
        return answer

    watched = place.server.add(Fault(about("file"), look, times=9))
    place.sync()
    assert watched.fired == 6
    assert modes["a"] == 0o700
    assert {mode for name, mode in modes.items() if name.endswith(".ndjson")} == {0o600}
    assert place.left_files() == []


def test_what_a_crash_left_is_removed_by_the_next_sync(place: Place) -> None:
    left = place.warehouse.folder / "spill" / "exports" / "a"
    left.mkdir(parents=True)
    (left / "1.ndjson").write_text("CANARY")
    place.sync()
    assert place.left_files() == []


def test_the_second_export_asks_for_changes_only_and_lands_one_changed_resource(place: Place) -> None:
    place.sync()
    place.night()
    place.server.put(observation("pain-p1", "p1", score=2))
    report = place.sync()
    assert (report.status, landed(report)) == ("complete", {"Observation": 1})
    (kick_off,) = place.server.of("kick-off")
    assert kick_off.values("_since") == ["2026-02-28T12:00:00.000Z"]  # the watermark less the overlap


def test_the_watermark_is_the_transaction_time_and_moves_with_each_export(place: Place) -> None:
    place.sync()
    assert place.watermarks("Observation") == {START}
    place.night()
    place.sync()
    assert place.watermarks("Observation") == place.watermarks("Procedure") == {START + dt.timedelta(days=2)}


@pytest.mark.row(54)
def test_a_patient_new_to_the_cohort_comes_with_the_whole_history_by_a_second_export(place: Place) -> None:
    place.server.put(*[each for each in chart("p3") if each["resourceType"] != "Procedure"])
    place.sync()
    place.night()
    place.night()
    place.server.put(procedure("cryo-p3", "p3"))
    report = place.sync()
    assert report.status == "complete"
    assert place.heads() == keys("p1", "p2", "p3")
    changes, history = place.server.of("kick-off")
    assert (changes.values("_since"), changes.values("patient")) != ([], [])
    assert (history.values("_since"), history.values("patient")) == ([], ["Patient/p3"])
    assert "p3" not in history.path
    assert history.query == {}
    place.night()
    assert landed(place.sync()) == {}
    assert len(place.server.of("kick-off")) == 1


@pytest.mark.row(54)
def test_where_patients_cannot_be_named_everything_is_exported_for_a_new_one(place: Place) -> None:
    place.sync()
    place.night()
    place.server.lacks = {"patient"}
    place.server.put(*chart("p3"))
    assert place.sync().status == "complete"
    assert place.heads() == keys("p1", "p2", "p3")
    assert [kick.values("patient") for kick in place.server.of("kick-off")] == [[], ["Patient/p3"], []]


def test_a_server_without_since_is_asked_for_everything_again(place: Place) -> None:
    place.sync()
    place.night()
    place.server.lacks = {"_since"}
    place.server.put(*chart("p3"))
    report = place.sync()
    assert (report.status, place.heads()) == ("complete", keys("p1", "p2", "p3"))
    assert [bool(kick.values("_since")) for kick in place.server.of("kick-off")] == [True, False]


@pytest.mark.row(62)
def test_without_dates_of_change_every_export_is_of_everything(place: Place) -> None:
    def undate(answer: Answer) -> Answer:
        kept = [json.loads(line) | {"meta": {}} for line in answer.body.splitlines()]
        return Answer(200, lines(kept), answer.headers)

    fault = place.server.add(Fault(about("file"), undate, 99))
    assert place.sync().status == "complete"
    place.night()
    report = place.sync()
    assert fault.fired > 0
    assert [asked.values("_since") for asked in place.server.of("kick-off")] == [[]]
    assert report.warnings == len(report.remarks) > 0
    assert "no date of change" in report.remarks[0]


def test_codes_go_along_as_type_filters_where_that_is_configured_and_understood(place: Place) -> None:
    place.source = ByExport(sends_type_filter=True)
    assert place.sync().status == "complete"
    (kick_off,) = place.server.of("kick-off")
    sent = {value.partition("?")[0] for value in kick_off.values("_typeFilter")}
    assert sent == {"Condition", "Observation", "Procedure"}
    assert "Observation?code=http%3A%2F%2Floinc.org%7C72514-3" in " ".join(kick_off.values("_typeFilter"))


def test_type_filters_that_are_refused_are_left_out(place: Place) -> None:
    place.source = ByExport(sends_type_filter=True)
    place.server.lacks = {"_typeFilter"}
    assert place.sync().status == "complete"
    assert [bool(kick.values("_typeFilter")) for kick in place.server.of("kick-off")] == [True, False]
    assert place.heads() == keys("p1", "p2")


def test_another_group_is_another_question_and_reads_everything(place: Place) -> None:
    place.source = ByExport(group_id="one")
    place.sync()
    place.night()
    place.source = ByExport(group_id="two")
    assert place.sync().status == "complete"
    assert place.server.of("kick-off")[0].values("_since") == []


def test_coverage_of_an_export_is_not_taken_for_that_of_a_search(place: Place) -> None:
    sources = (BySearch(), ByExport(), ByExport(sends_type_filter=True), ByExport(group_id="g"))
    prints = {
        ask.fingerprint
        for source in sources
        for ask in asks(center(place.server.base_url, source=source), CODE_MAP, "cohort")
    }
    assert len(prints) == 4


def test_several_files_of_a_type_are_all_read(place: Place) -> None:
    place.server.lines_a_file = 1
    assert place.sync().status == "complete"
    assert place.heads() == keys("p1", "p2")
    assert len(place.server.of("file")) == 12


@pytest.mark.row(56)
def test_the_same_resource_in_two_files_lands_once(place: Place) -> None:
    def repeat(answer: Answer) -> Answer:
        return answer.edited(lambda manifest: manifest["output"].append(manifest["output"][3]))

    repeated = place.server.add(Fault(_is_manifest(place.server), repeat))
    report = place.sync()
    assert repeated.fired == 1
    assert (report.status, place.heads()) == ("complete", keys("p1", "p2"))
    assert report.counts["Observation"].landed == 2
    assert report.counts["Observation"].received == 4


def _is_manifest(server: Server) -> Callable[[Asked], bool]:
    """The question that the manifest answers: the second for its job."""
    return lambda asked: asked.kind == "status" and len(server.of("status")) == 2


@pytest.mark.row(55)
def test_what_an_export_lists_as_deleted_leaves_after_everything_of_it_has_landed(place: Place) -> None:
    place.server.deleted = ["Observation/pain-p1", "Encounter/e1", "Patient/p9"]
    report = place.sync()
    assert (report.status, report.departed.get("Observation")) == ("complete", 1)
    assert report.counts["Observation"].landed == 2
    assert place.heads() == keys("p1", "p2") - {("Observation", "pain-p1")}


@pytest.mark.row(55)
def test_deletions_that_are_too_many_are_asked_for_again_though_everything_else_landed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.sync()
    place.night()
    place.server.deleted = ["Observation/pain-p1"]
    monkeypatch.setattr(departures, "ALWAYS_ALLOWED", 0)
    assert place.sync().status == "incomplete"
    asked = place.server.of("kick-off")[-1].values("_since")
    assert place.heads() == keys("p1", "p2")
    assert place.watermarks("Observation") == {place.server.clock}
    monkeypatch.undo()
    place.night()
    assert place.sync().status == "complete"
    assert asked == place.server.of("kick-off")[-1].values("_since") != []
    assert place.heads() == keys("p1", "p2") - {("Observation", "pain-p1")}
    assert place.noted() == []


def test_the_export_is_deleted_at_the_server_when_it_was_read(place: Place) -> None:
    place.sync()
    (delete,) = place.server.of("delete")
    assert delete.path == "/fhir/status/j1"
    assert place.noted() == []


def test_a_server_without_delete_is_no_failure(place: Place) -> None:
    refused = place.server.add(Fault(about("delete"), lambda _: Answer(405)))
    assert place.sync().status == "complete"
    assert (refused.fired, place.noted()) == (1, [])


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.row(58)
def test_a_crash_between_kick_off_and_manifest_takes_the_same_export_up(place: Place) -> None:
    """The status URL is in the ledger before anybody asks for it."""
    crashed = threading.Event()

    def crash() -> bool:
        if place.server.of("status") and not crashed.is_set():
            crashed.set()
            raise Killed
        return False

    place.is_stopping = crash
    with pytest.raises(Killed):
        place.sync()
    assert crashed.is_set()
    assert len(place.server.of("kick-off")) == 1
    (noted,) = place.noted()
    assert noted.status_url == f"{place.server.base_url}/status/j1"
    place.server.clock += dt.timedelta(minutes=10)
    report = place.sync()
    assert (report.status, place.heads()) == ("complete", keys("p1", "p2"))
    assert place.server.of("kick-off") == []
    assert place.noted() == []
    assert place.watermarks("Observation") == {START}


@pytest.mark.row(58)
def test_a_sync_asked_to_stop_keeps_the_export_for_the_next_one(place: Place) -> None:
    place.is_stopping = lambda: bool(place.server.of("status"))
    report = place.sync()
    assert report.status == "incomplete"
    assert "asked to stop" in report.reasons[0]
    assert len(place.noted()) == 1
    place.is_stopping = bool
    assert place.sync().status == "complete"
    assert place.server.of("kick-off") == []


@pytest.mark.row(58)
def test_a_status_url_that_expired_is_asked_for_anew(place: Place) -> None:
    place.is_stopping = lambda: bool(place.server.of("status"))
    place.sync()
    place.is_stopping = bool
    place.server.forget()
    assert place.sync().status == "complete"
    assert len(place.server.of("kick-off")) == 1
    assert place.heads() == keys("p1", "p2")


@pytest.mark.row(58)
def test_an_export_of_another_question_is_not_taken_up(place: Place) -> None:
    place.is_stopping = lambda: bool(place.server.of("status"))
    place.sync()
    place.is_stopping = bool
    place.source = ByExport(group_id="g")
    assert place.sync().status == "complete"
    assert [kick.path for kick in place.server.of("kick-off")] == ["/fhir/Group/g/$export"]
    assert {asked.path for asked in place.server.of("delete")} == {"/fhir/status/j1", "/fhir/status/j2"}
    assert place.noted() == []


def test_nothing_of_a_resource_is_in_the_ledger_of_exports_or_in_a_url(place: Place) -> None:
    place.sync()
    place.night()
    place.server.put(*chart("p3"))
    place.sync()
    told = " ".join(asked.path + json.dumps(dict(asked.query)) for asked in place.server.seen)
    assert not any(key in told for key in ("p1", "p3", "cryo"))


def test_a_reference_that_names_nobody_is_quarantined_as_by_search(place: Place) -> None:
    wrong = observation("pain-lost", "p1") | {"subject": {"reference": "https://else.example.org/Patient/p1"}}
    place.server.put(wrong)
    report = place.sync()
    assert report.counts["Observation"].quarantined == 1
    assert reference("p1")["reference"] == "Patient/p1"
