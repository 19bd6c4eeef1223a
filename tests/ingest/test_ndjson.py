"""A folder of NDJSON files: plain or gz, with a manifest or without, and what may be wrong with it."""

import datetime as dt
import gzip
import itertools
import json
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ingest import lines as lines_of
from ingest import ndjson
from ingest.client import FhirClient
from ingest.context import SyncContext
from ingest.deleted import deleted_in
from ingest.ndjson import DataFile, outcomes, pages, types_in
from ingest.plan import asks, cohort_task, patients_task
from ingest.source import ByFolder
from ingest.sync import CenterReport, sync_center
from mappings.errors import ConfigError, IncompleteError, StoppedError
from tests.ingest.bulk_place import GATE, Silent, landed
from tests.ingest.bulk_server import deletion, issue, lines
from tests.ingest.examples import CODE_MAP, NOW, center, chart, observation, patient, procedure
from warehouse.connection import Warehouse
from warehouse.land import coverage
from warehouse.runs import start_run

TYPES = ("AdverseEvent", "BodyStructure", "Condition", "Observation", "Patient", "Procedure")
NOWHERE = "http://127.0.0.1:9/fhir"  # nobody listens there: nothing may be asked
EVERYTHING = 12


class Inbox:
    """A folder handed over, and the warehouse it is read into."""

    def __init__(self, folder: Path, warehouse: Warehouse) -> None:
        self.folder = folder
        self.warehouse = warehouse
        self.is_stopping: Callable[[], bool] = bool
        folder.mkdir()

    def fill(self, resources: Sequence[dict[str, Any]], suffix: str = ".ndjson") -> None:
        """One file a type, named as exports name them."""
        for name in TYPES:
            content = lines([each for each in resources if each["resourceType"] == name])
            path = self.folder / f"{name}.000{suffix}"
            path.write_bytes(gzip.compress(content) if suffix.endswith("gz") else content)

    def describe(self, **changes: Any) -> None:
        """A manifest of all files, with the counts they have."""
        output = [
            {
                "type": path.name.partition(".")[0],
                "url": f"https://files.example.org/export/{path.name}",
                "count": len(path.read_bytes().splitlines()),
            }
            for path in sorted(self.folder.glob("*.ndjson"))
        ]
        told = {"transactionTime": "2026-03-01T11:00:00Z", "requiresAccessToken": True, "output": output}
        (self.folder / "manifest.json").write_text(json.dumps(told | changes))

    def context(self) -> SyncContext:
        run_id = start_run(self.warehouse, kind="sync", now=NOW, version="0", config_fingerprint="x")
        return SyncContext(run_id, CODE_MAP, lambda: NOW, Silent(), self.is_stopping, GATE)

    def sync(self) -> CenterReport:
        told = center(NOWHERE, source=ByFolder(self.folder))
        with FhirClient(told) as client:
            return sync_center(told, client, self.warehouse, self.context())

    def heads(self) -> int:
        (row,) = self.warehouse.rows("SELECT count(*) AS n FROM ops.head")
        count: int = row["n"]
        return count

    def watermarks(self, resource_type: str) -> set[dt.datetime]:
        return {entry.watermark for entry in coverage(self.warehouse, "a", resource_type).values()}


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    with Warehouse.open(tmp_path / "warehouse") as warehouse:
        yield Inbox(tmp_path / "inbox", warehouse)


def everybody() -> list[dict[str, Any]]:
    strangers = [patient("x1"), procedure("other-x1", "x1", "APPENDECTOMY"), observation("pain-x1", "x1")]
    return [*chart("p1"), *chart("p2"), *strangers]


@pytest.mark.parametrize("suffix", [".ndjson", ".ndjson.gz"])
def test_a_folder_without_manifest_brings_the_cohort_and_nobody_else(inbox: Inbox, suffix: str) -> None:
    inbox.fill(everybody(), suffix)
    report = inbox.sync()
    assert (report.status, report.reasons, report.error) == ("complete", (), None)
    assert inbox.heads() == EVERYTHING
    assert inbox.watermarks("Observation") == set()  # nobody says when the files were true
    assert landed(inbox.sync()) == {}


def test_everything_in_one_file_under_any_name_is_found(inbox: Inbox) -> None:
    (inbox.folder / "dump 7.ndjson").write_bytes(lines(everybody()))
    assert inbox.sync().status == "complete"
    assert inbox.heads() == EVERYTHING


def test_other_files_are_not_read(inbox: Inbox) -> None:
    inbox.fill(everybody())
    (inbox.folder / "README.txt").write_text("{broken")
    (inbox.folder / "Observation.csv").write_text("{broken")
    assert inbox.sync().status == "complete"


def test_a_manifest_gives_the_watermark_but_no_time_to_come(inbox: Inbox) -> None:
    inbox.fill(everybody())
    inbox.describe()
    assert inbox.sync().status == "complete"
    assert inbox.watermarks("Observation") == {dt.datetime(2026, 3, 1, 11, tzinfo=dt.UTC)}
    inbox.describe(transactionTime="2026-03-02T00:00:00Z")
    inbox.sync()
    assert inbox.watermarks("Observation") == {NOW}


def test_files_that_were_compressed_after_the_manifest_was_written_are_found(inbox: Inbox) -> None:
    inbox.fill(everybody())
    inbox.describe()
    for path in inbox.folder.glob("*.ndjson"):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert inbox.sync().status == "complete"
    assert inbox.heads() == EVERYTHING


def test_with_a_manifest_only_the_files_it_lists_are_read(inbox: Inbox) -> None:
    inbox.fill(everybody())
    inbox.describe()
    (inbox.folder / "old.ndjson").write_bytes(lines(chart("p9")))
    assert inbox.sync().status == "complete"
    assert inbox.heads() == EVERYTHING


@pytest.mark.row(56)
def test_a_file_that_the_manifest_lists_and_the_folder_lacks_is_a_loss(inbox: Inbox) -> None:
    inbox.fill(everybody())
    inbox.describe()
    (inbox.folder / "Condition.000.ndjson").unlink()
    report = inbox.sync()
    assert report.status == "incomplete"
    assert "1 files that manifest.json lists" in report.reasons[0]
    assert inbox.heads() == EVERYTHING - 2
    assert inbox.watermarks("Observation") == set()


@pytest.mark.row(56)
def test_another_count_than_the_manifest_says_is_a_loss(inbox: Inbox) -> None:
    inbox.fill(everybody())
    inbox.describe()
    with (inbox.folder / "Observation.000.ndjson").open("ab") as file:
        file.write(lines([observation("more", "p1")]))
    report = inbox.sync()
    assert report.status == "incomplete"
    assert "files of Observation are not whole" in report.reasons[0]
    assert inbox.heads() == EVERYTHING + 1
    assert inbox.watermarks("Observation") == set()
    assert len(inbox.watermarks("Condition")) == 1


def test_names_in_a_manifest_cannot_leave_the_folder(inbox: Inbox, tmp_path: Path) -> None:
    inbox.fill(everybody())
    (tmp_path / "secret.ndjson").write_bytes(lines(chart("p9")))
    urls = [
        "../secret.ndjson",
        "https://x/%2e%2e%2fsecret.ndjson",
        "/secret.ndjson",
        "..",
        "https://x/",
        "%00",
    ]
    inbox.describe(output=[{"type": "Patient", "url": url} for url in urls])
    report = inbox.sync()
    assert report.status == "incomplete"
    assert f"{len(urls)} files" in report.reasons[0]
    assert inbox.heads() == 0


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b'{"output": []}', b'{"requiresAccessToken": false, "output": "CANARY"}']
)
def test_a_broken_manifest_ends_the_sync(inbox: Inbox, content: bytes) -> None:
    inbox.fill(everybody())
    (inbox.folder / "manifest.json").write_bytes(content)
    report = inbox.sync()
    assert report.status == "incomplete"
    assert "no manifest" in report.reasons[0]
    assert "CANARY" not in str(report.error)
    assert inbox.heads() == 0


def test_an_empty_folder_is_incomplete_and_a_missing_one_a_wrong_configuration(inbox: Inbox) -> None:
    report = inbox.sync()
    assert isinstance(report.error, IncompleteError)
    assert "holds no" in report.reasons[0]
    inbox.folder.rmdir()
    with pytest.raises(ConfigError, match=r"ndjson\.folder"):
        inbox.sync()


@pytest.mark.row(53)
def test_errors_that_the_manifest_names_make_the_sync_incomplete(inbox: Inbox) -> None:
    inbox.fill(everybody())
    inbox.describe()
    (inbox.folder / "errors.ndjson").write_bytes(lines([issue("error", "exception")]))
    output = json.loads((inbox.folder / "manifest.json").read_text())["output"]
    inbox.describe(error=[{"type": "OperationOutcome", "url": "errors.ndjson"}], output=output)
    report = inbox.sync()
    assert report.status == "incomplete"
    assert "reports errors" in report.reasons[0]
    assert (inbox.heads(), inbox.watermarks("Patient")) == (EVERYTHING, set())


@pytest.mark.row(55)
def test_what_a_folders_manifest_lists_as_deleted_leaves_after_the_rest_has_landed(
    inbox: Inbox,
) -> None:
    inbox.fill(everybody())
    inbox.describe()
    output = json.loads((inbox.folder / "manifest.json").read_text())["output"]
    (inbox.folder / "gone.ndjson").write_bytes(lines([deletion("Observation/pain-p1", "Encounter/e")]))
    inbox.describe(output=output, deleted=[{"type": "Bundle", "url": "gone.ndjson", "count": 1}])
    report = inbox.sync()
    assert (report.status, report.departed.get("Observation")) == ("complete", 1)
    assert inbox.heads() == EVERYTHING - 1


@pytest.mark.row(34)
@pytest.mark.parametrize("cut", [1, 9, 40])
def test_a_gz_file_cut_short_is_a_loss_and_keeps_what_could_be_read(inbox: Inbox, cut: int) -> None:
    inbox.fill(everybody(), ".ndjson.gz")
    path = inbox.folder / "Observation.000.ndjson.gz"
    path.write_bytes(path.read_bytes()[:-cut])
    report = inbox.sync()
    assert report.status == "incomplete"
    assert "Observation" in report.reasons[0]
    assert inbox.heads() >= EVERYTHING - 2


@pytest.mark.row(34)
def test_a_plain_file_without_its_last_newline_is_vouched_for_by_a_count_only(inbox: Inbox) -> None:
    inbox.fill(everybody())
    path = inbox.folder / "Observation.000.ndjson"
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    assert inbox.sync().status == "incomplete"
    assert inbox.heads() == EVERYTHING
    inbox.describe()
    assert inbox.sync().status == "complete"


@pytest.mark.row(37)
def test_a_gz_bomb_is_a_loss_and_costs_no_memory(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (ndjson, lines_of):
        monkeypatch.setattr(module, "MAX_LINE", 100_000)
    inbox.fill(everybody())
    observations = (inbox.folder / "Observation.000.ndjson").read_bytes()
    bomb = gzip.compress(observations + b'{"resourceType":"Observation","x":"' + b"0" * 300_000_000, 9)
    (inbox.folder / "Observation.000.ndjson").unlink()
    (inbox.folder / "Observation.000.ndjson.gz").write_bytes(bomb)
    report = inbox.sync()
    assert report.status == "incomplete"
    assert inbox.heads() == EVERYTHING


@pytest.mark.row(38)
def test_a_line_that_is_too_long_is_a_loss_and_leaves_the_others(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (ndjson, lines_of):
        monkeypatch.setattr(module, "MAX_LINE", 5_000)
    inbox.fill(everybody())
    path = inbox.folder / "Observation.000.ndjson"
    huge = lines([observation("huge", "p1") | {"note": [{"text": "x" * 6_000}]}])
    path.write_bytes(huge + path.read_bytes())
    report = inbox.sync()
    assert report.status == "incomplete"
    assert inbox.heads() == EVERYTHING


def test_a_sync_that_is_to_stop_stops_within_a_file_and_keeps_what_it_has_read(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ndjson, "CHUNK_BYTES", 1)
    monkeypatch.setattr(ndjson, "_STEP", 400)
    inbox.fill(everybody())
    path = inbox.folder / "Observation.000.ndjson"
    path.write_bytes(lines([observation(f"more-{number}", "p1") for number in range(99)]))
    asked = itertools.count()
    inbox.is_stopping = lambda: next(asked) > 50
    assert isinstance(inbox.sync().error, StoppedError)
    assert 20 < inbox.heads() < 99


# --- files apart from syncs


def file_of(tmp_path: Path, content: bytes, **told: Any) -> DataFile:
    path = tmp_path / "file"
    path.write_bytes(content)
    return DataFile(path, types_in(path) | {"Observation"}, **told)


def observations(file: DataFile, *patients: str) -> tuple[list[str], bool]:
    """The ids of the Observations asked for, and whether the file is whole."""
    (ask,) = [each for each in asks(center(NOWHERE), CODE_MAP, "patient") if _is(each, "Observation")]
    found: list[str] = []
    try:
        for page in pages([file], patients_task(center(NOWHERE), ask, patients or ("p1",)), NOWHERE, NOW):
            assert page.server_time == NOW
            found += [each["id"] for each in page.resources]
    except IncompleteError:
        return found, False
    return found, True


def _is(ask: Any, name: str) -> bool:
    return ask.resource_type.name == name


@pytest.mark.row(44)
def test_lines_end_at_newlines_only_and_blank_lines_are_none(tmp_path: Path) -> None:
    odd = observation("o1", "p1") | {"note": [{"text": "\u2028\u0085\x0b"}]}
    content = b"\n" + json.dumps(odd, ensure_ascii=False).encode() + b"\r\n \n\n"
    assert observations(file_of(tmp_path, content, count=1)) == (["o1"], True)


@pytest.mark.row(39)
def test_a_byte_order_mark_is_borne_and_bytes_that_are_no_text_are_left_to_the_gate(tmp_path: Path) -> None:
    good = lines([observation("o1", "p1")])
    assert observations(file_of(tmp_path, b"\xef\xbb\xbf" + good)) == (["o1"], True)
    assert observations(file_of(tmp_path, good.replace(b"final", b"fin\xff") + good)) == (["o1", "o1"], True)


@pytest.mark.row(36)
def test_a_gz_file_of_two_members_is_read_whole(tmp_path: Path) -> None:
    members = [gzip.compress(lines([observation(key, "p1")])) for key in ("o1", "o2")]
    assert observations(file_of(tmp_path, b"".join(members))) == (["o1", "o2"], True)


def test_pages_are_filled_to_their_size_and_one_comes_even_of_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ndjson, "PAGE_RESOURCES", 2)
    content = lines([observation(f"o{number}", "p1") for number in range(5)])
    (ask,) = [each for each in asks(center(NOWHERE), CODE_MAP, "patient") if _is(each, "Observation")]
    task = patients_task(center(NOWHERE), ask, ["p1"])
    file = file_of(tmp_path, content)
    assert [len(page.resources) for page in pages([file], task, NOWHERE, NOW)] == [2, 2, 1]
    assert [len(page.resources) for page in pages([], task, NOWHERE, NOW)] == [0]


def test_what_nobody_asked_for_is_dropped_before_it_is_judged(tmp_path: Path) -> None:
    strangers = [observation("o9", "p9"), {"resourceType": "Observation", "id": "o8"}, patient("p1")]
    content = lines([observation("o1", "p1"), *strangers])
    assert observations(file_of(tmp_path, content)) == (["o1"], True)


def test_the_cohort_is_found_by_code_whoever_the_patient_is(tmp_path: Path) -> None:
    (ask,) = asks(center(NOWHERE), CODE_MAP, "cohort")
    path = tmp_path / "procedures"
    path.write_bytes(lines([procedure("c1", "p1"), procedure("x1", "p2", "APPENDECTOMY")]))
    file = DataFile(path, types_in(path))
    (page,) = pages([file], cohort_task(center(NOWHERE), ask, {}), NOWHERE, NOW)
    assert [each["id"] for each in page.resources] == ["c1"]


def test_memory_is_bounded_by_the_page_and_not_by_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ndjson, "PAGE_RESOURCES", 50)
    line = lines([observation("o1", "p1") | {"note": [{"text": "x" * 2_000}]}])
    peaks = []
    for number in (500, 5_000):
        file = file_of(tmp_path, line * number, count=number)
        (ask,) = [each for each in asks(center(NOWHERE), CODE_MAP, "patient") if _is(each, "Observation")]
        task = patients_task(center(NOWHERE), ask, ["p1"])
        tracemalloc.start()
        assert sum(len(page.resources) for page in pages([file], task, NOWHERE, NOW)) == number
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0] < 5_000 * len(line)


def test_types_are_found_by_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b'{ "id":"x", "resourceType" : "Patient" }\n{"resourceType":"Observation"}')
    assert types_in(path) == {"Patient", "Observation"}


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b'{"resourceType":"Patient","id":"p1"}\n',
        lines([{"resourceType": "Bundle", "entry": [{"request": {"method": "PUT", "url": "Patient/p1"}}]}]),
        lines([{"resourceType": "Bundle", "entry": [{}]}]),
        lines([{"resourceType": "Bundle", "entry": 7}]),
        lines([deletion("Patient?identifier=7")]),
        lines([deletion("Patient/")]),
    ],
)
def test_a_file_of_anything_but_deletions_is_counted_as_not_understood(
    tmp_path: Path, content: bytes
) -> None:
    found = deleted_in([file_of(tmp_path, content)], ["Patient"])
    assert (dict(found.ids), found.unreadable) == ({}, 1)


def test_deletions_are_read_whatever_base_their_address_has(tmp_path: Path) -> None:
    content = lines([deletion("Patient/p2", "https://fhir.example.org/r4/Patient/p1", "Group/g")])
    found = deleted_in([file_of(tmp_path, content, count=1)], ["Patient"])
    assert (dict(found.ids), found.unreadable) == ({"Patient": ["p1", "p2"]}, 0)


def test_an_error_file_that_is_not_whole_counts_as_an_error(tmp_path: Path) -> None:
    whole = file_of(tmp_path, lines([issue("warning", "processing")]), count=1)
    assert not any(each.is_loss for each in outcomes([whole]))
    assert any(each.is_loss for each in outcomes([DataFile(whole.path, whole.types, count=2)]))
