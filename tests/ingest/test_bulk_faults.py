"""Exports that fail, lie, break off or lead elsewhere: each fault fires, and nothing lost looks complete."""

import datetime as dt
import gzip
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from ingest import bulk_files
from ingest.auth import BearerAuth
from ingest.bulk import Patience, await_manifest
from ingest.bulk_http import BulkHttp, retry_after
from ingest.client import FhirClient
from ingest.origin import origin_of
from ingest.source import ByExport
from ingest.stream import Caps
from mappings.errors import (
    ForbiddenError,
    IncompleteError,
    ServerError,
    SignInError,
    UnreachableError,
    WarehouseError,
)
from tests.ingest.bulk_place import Place, landed
from tests.ingest.bulk_server import (
    START,
    Answer,
    Asked,
    BulkServer,
    Fault,
    about,
    issue,
    outcome,
    serving,
    zipped,
)
from tests.ingest.examples import QUICK, center, chart, observation
from warehouse.connection import Warehouse

EVERYTHING = 12


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    resources = [resource for key in ("p1", "p2") for resource in chart(key)]
    with serving(BulkServer(resources)) as server, Warehouse.open(tmp_path / "warehouse") as warehouse:
        yield Place(server, warehouse)


def manifest(change: Callable[[Any], object], times: int = 1) -> Fault:
    """Changes the manifest, once the job is ready."""
    return Fault(lambda asked: asked.kind == "status", lambda answer: _ready(answer, change), times)


def _ready(answer: Answer, change: Callable[[Any], object]) -> Answer:
    return answer.edited(change) if answer.status == 200 else answer


def editing(place: Place, change: Callable[[Any], object]) -> list[int]:
    """Have every manifest of the server changed; the list grows with each."""
    fired: list[int] = []

    def noted(document: Any) -> None:
        fired.append(1)
        change(document)

    place.server.add(manifest(noted, times=1000))
    return fired


def assert_mended(place: Place) -> None:
    """Without its faults, one good sync brings everything."""
    place.server.faults.clear()
    place.server.errors.clear()
    assert place.sync().status == "complete"
    assert len(place.heads()) == EVERYTHING
    assert place.noted() == []
    assert place.left_files() == []


# --- when an export was true (row 52)


@pytest.mark.row(52)
@pytest.mark.parametrize("told", ["2026-03-01T15:00:00Z", "2199-01-01T00:00:00Z"])
def test_a_transaction_time_after_the_kick_off_does_not_move_the_watermark_past_it(
    place: Place, told: str
) -> None:
    fired = editing(place, lambda document: document.update(transactionTime=told))
    assert place.sync().status == "complete"
    assert fired
    assert place.watermarks("Observation") == {START}


@pytest.mark.row(52)
def test_a_transaction_time_before_the_kick_off_stands(place: Place) -> None:
    fired = editing(place, lambda document: document.update(transactionTime="2026-03-01T11:00:00+01:00"))
    assert place.sync().status == "complete"
    assert fired
    assert place.watermarks("Observation") == {START - dt.timedelta(hours=2)}


@pytest.mark.row(52)
@pytest.mark.parametrize("told", ["yesterday", "2026-03-01T12:00:00", None, 20260301])
def test_without_a_readable_transaction_time_there_is_no_watermark_and_everything_is_read_again(
    place: Place, told: object
) -> None:
    fired = editing(place, lambda document: document.update(transactionTime=told))
    report = place.sync()
    assert (report.status, len(place.heads())) == ("complete", EVERYTHING)
    assert report.warnings > 0
    assert fired
    assert place.watermarks("Observation") == set()
    place.night()
    place.sync()
    assert place.server.of("kick-off")[0].values("_since") == []


@pytest.mark.row(52)
def test_a_server_whose_clock_is_ahead_of_ours_hides_nothing(place: Place) -> None:
    place.ahead = dt.timedelta(hours=-3)
    assert place.sync().status == "complete"
    assert place.watermarks("Observation") == {START - dt.timedelta(hours=3)}


# --- error files (row 53)


@pytest.mark.row(53)
@pytest.mark.parametrize("severity", ["error", "fatal"])
def test_an_error_file_makes_the_sync_incomplete_and_keeps_what_came(place: Place, severity: str) -> None:
    place.server.errors = [issue("warning", "processing"), issue(severity, "exception")]
    report = place.sync()
    assert report.status == "incomplete"
    assert "OperationOutcome: exception" in report.reasons[0]
    assert "CANARY" not in " ".join(report.reasons)
    assert len(place.heads()) == EVERYTHING
    assert place.watermarks("Observation") == set()
    assert len(place.server.of("file")) == 7
    assert_mended(place)


@pytest.mark.row(53)
def test_errors_listed_among_the_output_are_errors(place: Place) -> None:
    place.server.errors = [issue("error", "exception")]
    fired = editing(place, lambda document: document["output"].extend(document.pop("error")))
    report = place.sync()
    assert fired
    assert report.status == "incomplete"
    assert "OperationOutcome: exception" in report.reasons[0]
    assert place.watermarks("Observation") == set()


@pytest.mark.row(53)
def test_a_file_of_warnings_is_no_loss(place: Place) -> None:
    place.server.errors = [issue("warning", "processing"), issue("information", "informational")]
    assert place.sync().status == "complete"
    assert len(place.server.of("file")) == 7


@pytest.mark.row(53)
def test_an_error_among_the_resources_of_a_file_is_told(place: Place) -> None:
    lost = json.dumps(issue("error", "suppressed")).encode() + b"\n"
    fault = place.server.add(_in_file("Observation", lambda body: body + lost))
    editing(place, _uncounted)
    report = place.sync()
    assert fault.fired == 1
    assert report.status == "incomplete"
    assert "suppressed" in report.reasons[0]
    assert place.watermarks("Observation") == set()
    assert place.watermarks("Condition") == {START}


def _uncounted(document: Any) -> None:
    for file in document["output"]:
        file.pop("count")


def _in_file(resource_type: str, change: Callable[[bytes], bytes]) -> Fault:
    """Changes files of a type; only those count as fired."""
    marker = f'{{"resourceType": "{resource_type}"'.encode()
    fault = Fault(about("file"), lambda answer: answer, times=1000)

    def changed(answer: Answer) -> Answer:
        if not answer.body.startswith(marker):
            fault.fired -= 1
            return answer
        return replace(answer, body=change(answer.body))

    fault.change = changed
    return fault


# --- files that are not what the manifest says (rows 34-37, 44, 45, 56)


@pytest.mark.row(56)
@pytest.mark.parametrize("count", [1, 3, 0])
def test_another_number_of_resources_than_the_manifest_says_is_incomplete(place: Place, count: int) -> None:
    def miscount(document: Any) -> None:
        for file in document["output"]:
            if file["type"] == "Observation":
                file["count"] = count

    fired = editing(place, miscount)
    report = place.sync()
    assert fired
    assert report.status == "incomplete"
    assert "1 of 1 files of Observation are not whole" in report.reasons[0]
    assert len(place.heads()) == EVERYTHING
    assert place.watermarks("Observation") == set()
    assert place.watermarks("Condition") == {START}
    assert_mended(place)


@pytest.mark.row(34)
def test_a_file_cut_at_a_newline_without_told_length_is_noticed_by_its_count(place: Place) -> None:
    fault = place.server.add(_in_file("Observation", lambda body: body.splitlines(keepends=True)[0]))
    report = place.sync()
    assert fault.fired == 1
    assert report.status == "incomplete"
    assert_mended(place)


@pytest.mark.row(34)
def test_a_file_cut_inside_a_line_without_count_or_length_is_incomplete(place: Place) -> None:
    editing(place, _uncounted)
    fault = _in_file("Observation", lambda body: body[:-1])
    change = fault.change
    fault.change = lambda answer: replace(change(answer), framing="close")
    place.server.add(fault)
    report = place.sync()
    assert fault.fired == 1
    assert report.status == "incomplete"
    assert "Observation" in report.reasons[0]
    assert len(place.heads()) == EVERYTHING  # the last line is a resource, but nobody vouches for the end
    assert_mended(place)


@pytest.mark.row(35)
def test_a_file_shorter_than_its_content_length_is_fetched_again(place: Place) -> None:
    fault = place.server.add(Fault(about("file"), lambda answer: replace(answer, framing="long")))
    assert place.sync().status == "complete"
    assert (fault.fired, len(place.server.of("file"))) == (1, 7)


@pytest.mark.row(34)
def test_a_gzip_file_without_its_end_mark_is_fetched_again(place: Place) -> None:
    def cut(answer: Answer) -> Answer:
        whole = zipped(answer)
        return replace(whole, body=whole.body[:-8], framing="close")

    fault = place.server.add(Fault(about("file"), cut))
    assert place.sync().status == "complete"
    assert (fault.fired, len(place.server.of("file"))) == (1, 7)


def test_a_file_that_is_always_cut_leaves_the_export_for_the_next_sync(place: Place) -> None:
    fault = place.server.add(Fault(about("file"), lambda answer: replace(answer, framing="long"), times=1000))
    report = place.sync()
    assert fault.fired >= 3
    assert isinstance(report.error, UnreachableError)
    assert len(place.noted()) == 1
    place.server.faults.clear()
    assert place.sync().status == "complete"
    assert place.server.of("kick-off") == []


@pytest.mark.row(36)
def test_gzip_files_of_two_members_are_read_whole(place: Place) -> None:
    def members(answer: Answer) -> Answer:
        half = len(answer.body) // 2
        body = gzip.compress(answer.body[:half]) + gzip.compress(answer.body[half:])
        return replace(answer, body=body).with_headers(Content_Encoding="gzip")

    fault = place.server.add(Fault(about("file"), members, times=99))
    assert place.sync().status == "complete"
    assert (fault.fired, len(place.heads())) == (6, EVERYTHING)


@pytest.mark.row(37)
def test_a_gzip_bomb_ends_the_export_early(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_files, "CAPS", Caps(ratio_from=100_000))
    bomb = gzip.compress(b"0" * 50_000_000, 9)
    fault = place.server.add(
        Fault(about("file"), lambda answer: replace(zipped(answer), body=bomb), times=99)
    )
    report = place.sync()
    assert fault.fired >= 1
    assert report.status == "incomplete"
    assert "times the bytes received" in report.reasons[0]
    assert place.left_files() == []
    assert_mended(place)


@pytest.mark.row(44)
def test_unicode_line_separators_inside_a_string_do_not_end_a_line(place: Place) -> None:
    odd = observation("pain-p1", "p1") | {"note": [{"text": "a\u2028b\u0085c"}]}

    def rewrite(body: bytes) -> bytes:
        first, *rest = body.split(b"\n")
        assert b"pain-p1" in first
        return b"\n".join([json.dumps(odd, ensure_ascii=False).encode(), *rest])

    fault = place.server.add(_in_file("Observation", rewrite))
    assert place.sync().status == "complete"
    assert (fault.fired, len(place.heads())) == (1, EVERYTHING)


@pytest.mark.row(45)
@pytest.mark.parametrize("line", [b"{broken", b"[]", b'{"id": "x"}', b"\xff\xfe", b'{"resourceType": NaN}'])
def test_a_line_that_is_no_resource_is_a_loss_and_leaves_the_others(place: Place, line: bytes) -> None:
    editing(place, _uncounted)
    fault = place.server.add(_in_file("Observation", lambda body: line + b"\n" + body))
    report = place.sync()
    assert fault.fired == 1
    assert report.status == "incomplete"
    assert len(place.heads()) == EVERYTHING
    assert place.watermarks("Observation") == set()
    assert_mended(place)


@pytest.mark.row(45)
def test_an_invalid_resource_is_quarantined_and_stops_nothing(place: Place) -> None:
    place.server.put(observation("bad-p1", "p1") | {"unknownElement": 1})
    report = place.sync()
    assert (report.status, report.counts["Observation"].quarantined) == ("complete", 1)
    assert len(place.heads()) == EVERYTHING


@pytest.mark.row(30)
def test_a_web_page_instead_of_a_file_is_an_error(place: Place) -> None:
    page = Answer(200, b"<html>CANARY sign in</html>", {"Content-Type": "text/html"})
    fault = place.server.add(Fault(about("file"), lambda _: page, times=99))
    report = place.sync()
    assert fault.fired >= 1
    assert "web page" in report.reasons[0]
    assert place.heads() == set()
    assert_mended(place)


@pytest.mark.row(56)
def test_a_manifest_in_parts_is_followed_to_its_end(place: Place) -> None:
    parts: list[Any] = []

    def split(document: Any) -> None:
        parts.append({**document, "output": document["output"][3:]})
        document["output"] = document["output"][:3]
        document["link"] = [{"relation": "next", "url": f"{place.server.base_url}/status/j1?part=2"}]

    def second(answer: Answer) -> Answer:
        return replace(answer, body=json.dumps(parts[0]).encode())

    editing(place, lambda document: None if parts else split(document))
    further = place.server.add(Fault(lambda asked: "part" in asked.query, second))
    assert place.sync().status == "complete"
    assert (further.fired, len(place.heads())) == (1, EVERYTHING)


@pytest.mark.row(56)
def test_a_manifest_whose_parts_never_end_is_given_up(place: Place) -> None:
    link = {"relation": "next", "url": "/fhir/status/j1?part=2"}
    fired = editing(place, lambda document: document.update(link=[link]))
    report = place.sync()
    assert len(fired) == 2
    assert "never end" in report.reasons[0]


@pytest.mark.parametrize(
    "document", [{}, {"output": "none"}, {"requiresAccessToken": False, "output": [{"type": "CANARY"}]}]
)
def test_something_other_than_a_manifest_is_an_error_that_quotes_nothing(
    place: Place, document: dict[str, Any]
) -> None:
    def other(told: Any) -> None:
        told.clear()
        told.update(document)

    fired = editing(place, other)
    report = place.sync()
    assert fired
    assert "other than a manifest" in report.reasons[0]
    assert "CANARY" not in report.reasons[0]
    assert_mended(place)


# --- where files may lie, and who gets the token (rows 51, 57)

TOKEN = "CANARY-token"


@pytest.fixture
def elsewhere() -> Iterator[BulkServer]:
    """A host of files that is not the center's."""
    with serving(BulkServer()) as server:
        yield server


def moved(place: Place, elsewhere: BulkServer) -> None:
    """The manifest names the other host; it serves what the center would."""
    own, other = place.server.base_url, elsewhere.base_url

    def move(document: Any) -> None:
        for file in document["output"]:
            file["url"] = file["url"].replace(own, other)

    editing(place, move)
    elsewhere.answer = lambda asked: _served(place, elsewhere, asked)  # type: ignore[method-assign]


def _served(place: Place, elsewhere: BulkServer, asked: Asked) -> Answer:
    elsewhere.seen.append(asked)
    return place.server.answer(replace(asked, headers={"Authorization": f"Bearer {TOKEN}"}))


@pytest.mark.row(57)
@pytest.mark.parametrize("needs_token", [False, True])
def test_files_on_a_configured_origin_are_fetched_without_the_token(
    place: Place, elsewhere: BulkServer, needs_token: bool
) -> None:
    origin = origin_of(elsewhere.base_url)
    assert origin is not None
    place.source = ByExport(file_origins=frozenset({origin}))
    place.server.token, place.server.files_need_token = TOKEN, needs_token
    moved(place, elsewhere)
    assert place.sync(auth=BearerAuth(TOKEN)).status == "complete"
    assert len(elsewhere.seen) == 6
    assert all("Authorization" not in asked.headers for asked in elsewhere.seen)


@pytest.mark.row(57)
@pytest.mark.row(51)
def test_files_on_any_other_origin_are_not_fetched(place: Place, elsewhere: BulkServer) -> None:
    place.server.token = TOKEN
    moved(place, elsewhere)
    report = place.sync(auth=BearerAuth(TOKEN))
    assert elsewhere.seen == []
    assert report.status == "incomplete"
    assert "away from its own origin" in report.reasons[0]
    assert "file_origins" in str(report.error)


@pytest.mark.row(57)
@pytest.mark.parametrize("needs_token", [False, True])
def test_the_token_goes_to_own_files_only_when_they_need_it(place: Place, needs_token: bool) -> None:
    place.server.token, place.server.files_need_token = TOKEN, needs_token
    assert place.sync(auth=BearerAuth(TOKEN)).status == "complete"
    assert {"Authorization" in asked.headers for asked in place.server.of("file")} == {needs_token}
    assert all("Authorization" in asked.headers for asked in place.server.seen if asked.kind != "file")


@pytest.mark.row(57)
@pytest.mark.parametrize("is_allowed", [False, True])
def test_a_redirected_file_is_followed_to_known_origins_only_and_without_the_token(
    place: Place, elsewhere: BulkServer, is_allowed: bool
) -> None:
    origin = origin_of(elsewhere.base_url)
    assert origin is not None
    place.source = ByExport(file_origins=frozenset({origin} if is_allowed else ()))
    place.server.token, place.server.files_need_token = TOKEN, True
    own = dict[str, Answer]()

    def redirect(answer: Answer) -> Answer:
        path = place.server.seen[-1].path
        own[path] = answer
        return Answer(307, headers={"Location": f"{elsewhere.base_url.removesuffix('/fhir')}{path}"})

    def serve(asked: Asked) -> Answer:
        elsewhere.seen.append(asked)
        return own[asked.path]

    elsewhere.answer = serve  # type: ignore[method-assign]
    fault = place.server.add(Fault(about("file"), redirect, times=99))
    report = place.sync(auth=BearerAuth(TOKEN), concurrency=1)
    assert fault.fired >= 1
    assert report.status == ("complete" if is_allowed else "incomplete")
    assert len(elsewhere.seen) == (6 if is_allowed else 0)
    assert all("Authorization" not in asked.headers for asked in elsewhere.seen)


@pytest.mark.row(51)
@pytest.mark.row(57)
@pytest.mark.parametrize("where", ["file", "part", "status", "redirect"])
@pytest.mark.parametrize(
    "spelling",
    [
        "http://127.0.0.1:{sink}/fhir/files/x/y",
        "HTTP://127.0.0.1:{sink}/",
        "//127.0.0.1:{sink}/fhir/files/x/y",
        "http://127.0.0.1:{own}@127.0.0.1:{sink}/",
        "http://127.0.0.1:{own}\\@127.0.0.1:{sink}/",
        "http:\\\\127.0.0.1:{sink}\\files",
        "http://localhost:{sink}/",
        "http://[::1]:{sink}/",
        " http://127.0.0.1:{sink}/",
        "http://127.0.0.1:{sink}#@127.0.0.1:{own}/",
        "http://127.0.0.1:{own}0/",
        "file:///etc/passwd",
        "http://[nowhere/",
        "http://127.0.0.1\u2100.example.org/",
        "https://127.0.0.1:{own}/fhir/files/x/y",
    ],
)
def test_no_url_of_a_server_carries_anything_to_another_origin(
    place: Place, elsewhere: BulkServer, where: str, spelling: str
) -> None:
    own, sink = (each.base_url.split(":")[2].removesuffix("/fhir") for each in (place.server, elsewhere))
    url = spelling.format(own=own, sink=sink)
    elsewhere.answer = lambda asked: elsewhere.seen.append(asked) or Answer(404)  # type: ignore[method-assign,func-returns-value]
    place.server.token, place.server.files_need_token = TOKEN, True
    faults = {
        "file": manifest(lambda document: document["output"][0].update(url=url), times=9),
        "part": manifest(lambda document: document.update(link=[{"relation": "next", "url": url}]), times=9),
        "status": Fault(about("kick-off"), lambda answer: answer.with_headers(Content_Location=url)),
        "redirect": Fault(about("file"), lambda _: Answer(302, headers={"Location": url}), times=99),
    }
    fault = place.server.add(faults[where])
    report = place.sync(auth=BearerAuth(TOKEN))
    assert fault.fired >= 1
    assert report.status == "incomplete"
    assert elsewhere.seen == []
    assert TOKEN not in str(report.error)


def test_a_file_redirected_in_circles_is_given_up(place: Place) -> None:
    def again(answer: Answer) -> Answer:
        return Answer(302, headers={"Location": place.server.seen[-1].path})

    fault = place.server.add(Fault(about("file"), again, times=999))
    report = place.sync(concurrency=1)
    assert fault.fired >= 4
    assert "redirected" in report.reasons[0]


@pytest.mark.row(51)
def test_a_status_url_on_another_origin_is_never_asked(place: Place, elsewhere: BulkServer) -> None:
    place.server.token = TOKEN
    away = Answer(202, headers={"Content-Location": f"{elsewhere.base_url}/status/j1"})
    fault = place.server.add(Fault(about("kick-off"), lambda _: away))
    report = place.sync(auth=BearerAuth(TOKEN))
    assert fault.fired == 1
    assert elsewhere.seen == []
    assert "away from its own origin" in report.reasons[0]
    assert place.noted() == []


# --- waiting (rows 32, 33, 58)


def test_a_kick_off_that_is_put_off_is_asked_again(place: Place) -> None:
    busy = place.server.add(Fault(about("kick-off"), lambda _: outcome(429, "throttled"), times=2))
    assert place.sync().status == "complete"
    assert (busy.fired, len(place.server.of("kick-off"))) == (2, 3)


def test_a_kick_off_whose_answer_is_lost_is_not_repeated(place: Place) -> None:
    failed = place.server.add(Fault(about("kick-off"), lambda _: outcome(500, "exception"), times=9))
    report = place.sync()
    assert failed.fired == 1
    assert isinstance(report.error, UnreachableError)


@pytest.mark.row(58)
def test_429_while_it_works_is_as_good_as_202(place: Place) -> None:
    busy = place.server.add(Fault(about("status"), lambda _: outcome(429, "throttled"), times=7))
    assert place.sync().status == "complete"
    assert busy.fired == 7


@pytest.mark.row(33)
def test_a_few_failures_in_a_row_are_borne(place: Place) -> None:
    down = place.server.add(Fault(about("status"), lambda _: Answer(503), times=QUICK.retries))
    assert place.sync().status == "complete"
    assert down.fired == QUICK.retries


@pytest.mark.row(33)
def test_a_server_that_fails_on_and_on_ends_the_sync_and_keeps_the_export(place: Place) -> None:
    down = place.server.add(Fault(about("status"), lambda _: Answer(502), times=99))
    report = place.sync()
    assert down.fired == QUICK.retries + 1
    assert isinstance(report.error, UnreachableError)
    place.server.faults.clear()
    assert place.sync().status == "complete"
    assert place.server.of("kick-off") == []


@pytest.mark.row(58)
def test_an_export_that_failed_is_an_error_and_the_next_sync_asks_for_another(place: Place) -> None:
    failed = place.server.add(Fault(about("status"), lambda _: outcome(500, "exception"), times=99))
    report = place.sync()
    assert failed.fired == 1
    assert "answered 500" in report.reasons[0]
    assert "CANARY" not in str(report.error)
    assert place.noted() == []
    place.server.faults.clear()
    assert place.sync().status == "complete"
    assert len(place.server.of("kick-off")) == 1


@pytest.mark.row(58)
def test_a_transient_failure_is_asked_again(place: Place) -> None:
    passing = place.server.add(Fault(about("status"), lambda _: outcome(500, "transient"), times=1))
    assert place.sync().status == "complete"
    assert passing.fired == 1


@pytest.mark.row(58)
def test_an_export_not_ready_in_time_is_given_up_deleted_and_asked_for_anew(place: Place) -> None:
    place.source = ByExport(longest_wait=dt.timedelta(minutes=30))

    def later(_answer: Answer) -> Answer:
        place.server.clock += dt.timedelta(minutes=11)
        return Answer(202)

    slow = place.server.add(Fault(about("status"), later, times=99))
    report = place.sync()
    assert slow.fired >= 2
    assert isinstance(report.error, IncompleteError)
    assert "in time" in report.reasons[0]
    assert [asked.path for asked in place.server.of("delete")] == ["/fhir/status/j1"]
    assert place.noted() == []
    place.server.faults.clear()
    assert place.sync().status == "complete"
    assert len(place.server.of("kick-off")) == 1


@pytest.mark.row(58)
def test_files_that_expired_before_they_were_fetched_are_exported_anew(place: Place) -> None:
    gone = place.server.add(Fault(about("file"), lambda _: Answer(410)))
    assert place.sync(concurrency=1).status == "complete"
    assert gone.fired == 1
    assert len(place.server.of("kick-off")) == 2


@pytest.mark.row(32)
@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("Sunday, 01-Mar-26 12:00:09 GMT", 9.0),
        ("-5", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str | None, seconds: float | None) -> None:
    assert retry_after(text, format_datetime(START, usegmt=True)) == seconds


@pytest.mark.row(32)
@pytest.mark.parametrize(
    ("told", "waited"),
    [("3", 3.0), ("Sun, 01 Mar 2026 12:00:04 GMT", 4.0), ("18000", 20.0), ("-9", 0.5), ("x", 0.5)],
)
def test_between_two_questions_the_server_is_given_the_time_it_asks_for_within_limits(
    place: Place, told: str, waited: float
) -> None:
    fault = Fault(lambda _: len(place.server.of("status")) == 1, lambda a: a.with_headers(Retry_After=told))
    place.server.add(fault)
    paused: list[float] = []
    told_center = center(place.server.base_url, source=place.source)
    with FhirClient(told_center, replace(QUICK, backoff=0.5)) as client:
        http = BulkHttp(client, lambda: START, bool, paused.append)
        place.server.answer(
            Asked("GET", "/fhir/Patient/$export", {"_type": ["Patient"]}, {"Prefer": "respond-async"}, b"")
        )
        patience = Patience(START + dt.timedelta(hours=1), longest_poll=20.0)
        found = await_manifest(http, f"{place.server.base_url}/status/j1", patience)
    assert fault.fired == 1
    assert len(found.output) == 1
    assert sum(paused) == pytest.approx(waited)
    assert max(paused) <= 1.0


# --- refusals


@pytest.mark.parametrize(
    ("status", "kind"), [(401, SignInError), (403, ForbiddenError), (404, ServerError), (400, ServerError)]
)
def test_a_refused_kick_off_names_its_cause(place: Place, status: int, kind: type[Exception]) -> None:
    fault = place.server.add(Fault(about("kick-off"), lambda _: outcome(status, "processing"), times=9))
    report = place.sync()
    assert fault.fired >= 1
    assert type(report.error) is kind
    assert f"answered {status}" in report.reasons[0]
    assert "CANARY" not in str(report.error)


def test_a_kick_off_without_content_location_is_an_error(place: Place) -> None:
    fault = place.server.add(Fault(about("kick-off"), lambda answer: replace(answer, headers={})))
    report = place.sync()
    assert fault.fired == 1
    assert "Content-Location" in report.reasons[0]


def test_deletions_that_cannot_be_read_keep_the_watermark(place: Place) -> None:
    place.server.deleted = ["Observation/pain-p1"]
    fault = place.server.add(_in_file("Bundle", lambda body: body.replace(b"DELETE", b"PATCH1")))
    report = place.sync()
    assert fault.fired == 1
    assert report.status == "incomplete"
    assert "deletions" in report.reasons[0]
    assert place.watermarks("Observation") == set()
    assert len(place.heads()) == EVERYTHING


def test_a_full_disk_is_a_failure_of_the_warehouse(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, *_args: object) -> object:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(WarehouseError, match="No space left"):
        place.sync()
    monkeypatch.undo()
    assert place.left_files() == []
    assert place.sync().status == "complete"


def test_nothing_of_the_content_is_in_reports_errors_or_logs(
    place: Place, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    place.server.token = TOKEN
    named = observation("CANARY-id", "p1") | {"note": [{"text": "CANARY-note"}], "unknown": "CANARY-value"}
    place.server.put(named)
    place.server.errors = [issue("error", "exception")]
    fault = place.server.add(_in_file("Condition", lambda body: b"CANARY-line\n" + body))
    report = place.sync(auth=BearerAuth(TOKEN))
    assert fault.fired == 1
    assert report.status == "incomplete"
    told = capfd.readouterr()
    assert "CANARY" not in " ".join([*report.reasons, repr(report), caplog.text, told.out, told.err])
    stored = place.warehouse.rows("SELECT body FROM ops.quarantine")
    assert stored
    assert not any(word in row["body"] for row in stored for word in ("CANARY-note", "CANARY-value"))


def test_the_next_sync_after_a_fault_lands_only_what_was_missing(place: Place) -> None:
    fault = place.server.add(_in_file("Observation", lambda body: body.splitlines(keepends=True)[0]))
    place.sync()
    assert fault.fired == 1
    place.server.faults.clear()
    assert landed(place.sync()) == {"Observation": 1}
