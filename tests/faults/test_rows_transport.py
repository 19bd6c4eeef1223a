"""Rows 30-38: statuses, bodies and streams that are not what they seem."""

import collections
import datetime as dt
import gzip
import itertools
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ingest import client as client_module
from ingest.client import FhirClient
from ingest.stream import BrokenStreamError, Caps, OversizeError, decoded, lines
from mappings.errors import IncompleteError, ServerError, SignInError, UnreachableError
from tests.faults import fault_server as wire
from tests.faults.fault_server import KEYS, FaultServer, answering
from tests.faults.reliability import Fired
from tests.faults.test_rows_paging import QUERY, checking, first, following, walked
from tests.ingest.examples import QUICK, center
from tests.ingest.loopback import Fault, outcome

PATIENT = replace(QUICK, retries=5, max_wait=0.02)


def client_of(server: FaultServer, policy: Any = QUICK, **changes: Any) -> FhirClient:
    return FhirClient(center(server.base_url, **changes), policy)


NOT_A_BUNDLE = {
    "a sign-in page": (b"<html>SECRET sign in</html>", "text/html"),
    "JSON told to be HTML": (b'{"resourceType": "Bundle", "type": "searchset"}', "text/html"),
    "a page told to be JSON": (b"<html>SECRET</html>", "application/fhir+json"),
    "nothing": (b"", "application/json"),
    "a list": (b'["SECRET"]', "application/json"),
    "another resource": (b'{"resourceType": "Patient", "id": "SECRET"}', "application/json"),
    "another Bundle": (b'{"resourceType": "Bundle", "type": "history"}', "application/fhir+json"),
    "entries that are no list": (
        b'{"resourceType": "Bundle", "type": "searchset", "entry": {}}',
        "application/json",
    ),
}


@pytest.mark.row(30)
@pytest.mark.parametrize("name", NOT_A_BUNDLE)
@pytest.mark.parametrize("when", [first, following])
def test_what_is_no_searchset_is_an_error_and_never_no_data(
    server: FaultServer, client: FhirClient, fired: Fired, name: str, when: wire.When
) -> None:
    body, media_type = NOT_A_BUNDLE[name]
    fired(server.add(Fault(when, answering(200, body, Content_Type=media_type), 99)))
    with pytest.raises(ServerError) as caught:
        walked(client)
    assert "SECRET" not in str(caught.value)


@pytest.mark.row(30)
@pytest.mark.parametrize(
    "media_type", ["application/json", "application/fhir+json;charset=utf-8", "text/json"]
)
def test_every_media_type_of_json_is_taken(
    server: FaultServer, client: FhirClient, fired: Fired, media_type: str
) -> None:
    told = {"Content-Type": media_type}
    fired(server.add(Fault(lambda _: True, lambda answer: replace(answer, headers=told), 99)))
    assert walked(client) == set(KEYS)


@pytest.mark.row(31)
@pytest.mark.parametrize(
    ("status", "kind"), [(401, SignInError), (403, SignInError), (406, ServerError), (503, UnreachableError)]
)
def test_a_failure_tells_its_status_and_nothing_of_its_body(
    server: FaultServer, client: FhirClient, fired: Fired, status: int, kind: type[Exception]
) -> None:
    fired(server.add(Fault(first, answering(status, b"<html>SECRET</html>", Content_Type="text/html"), 99)))
    with pytest.raises(kind, match=f"answered {status}") as caught:
        walked(client)
    assert "SECRET" not in str(caught.value)


@pytest.mark.row(31)
@pytest.mark.parametrize(
    "send",
    [wire.cut_after(0.5), wire.encoded("br", bytes), wire.encoded("gzip", bytes)],
    ids=["cut", "br", "gzip"],
)
def test_a_failure_whose_body_cannot_be_read_keeps_its_status(
    server: FaultServer, client: FhirClient, fired: Fired, send: wire.Send
) -> None:
    server.add(Fault(first, answering(403, b"SECRET" * 10), 99))
    fired(server.inject(first, send, 99))
    with pytest.raises(SignInError, match="answered 403"):
        walked(client)


@pytest.mark.row(31)
@pytest.mark.parametrize("location", ["http://[::1", "//", "/fhir/Observation", "\x00", "http://internal/"])
def test_a_redirect_is_told_and_neither_followed_nor_read(
    server: FaultServer, client: FhirClient, fired: Fired, location: str
) -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    server.add(Fault(following, answering(302, b"", Location=location), 99))
    fired(server.inject(following, wire.encoded("gzip", lambda _: bomb), 99))
    tracemalloc.start()
    with pytest.raises(ServerError, match=r"answered 302.*redirects are not followed"):
        walked(client)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 35_000_000
    assert not any(seen.path == "/fhir/Observation" and not seen.query for seen in server.seen)


WAITS = [
    "0",
    "-5",
    "99999",
    "9" * 400,
    "soon",
    "",
    "Sun, 01 Mar 2026 12:00:01 GMT",
    "Thu, 01 Jan 1970 00:00:00 GMT",
]


@pytest.mark.row(32)
@pytest.mark.parametrize("told", [*WAITS, None])
def test_a_429_is_waited_for_within_our_patience_whatever_it_asks(
    server: FaultServer, fired: Fired, told: str | None
) -> None:
    answer = answering(429) if told is None else answering(429, Retry_After=told)
    fired(server.add(Fault(first, answer, 2)))
    started = time.monotonic()
    with client_of(server, PATIENT) as client:
        assert walked(client) == set(KEYS)
        assert client.lanes.limit == 1  # of four, halved twice
    assert time.monotonic() - started < 3


@pytest.mark.row(32)
def test_a_wait_beyond_the_run_ends_it_as_incomplete_at_once(server: FaultServer, fired: Fired) -> None:
    fired(server.add(Fault(first, answering(429, Retry_After="18000"))))
    started = time.monotonic()
    policy = replace(QUICK, max_wait=90.0)
    with (
        client_of(server, policy, max_duration=dt.timedelta(minutes=1)) as client,
        pytest.raises(IncompleteError, match="max_minutes_per_center"),
    ):
        walked(client)
    assert time.monotonic() - started < 5


@pytest.mark.row(33)
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_passing_failure_is_repeated(
    server: FaultServer, client: FhirClient, fired: Fired, status: int
) -> None:
    fired(server.add(Fault(lambda _: True, answering(status), 2)))
    assert walked(client) == set(KEYS)


@pytest.mark.row(33)
def test_a_server_that_fails_to_the_last_try_is_left_alone(
    server: FaultServer, client: FhirClient, fired: Fired
) -> None:
    fault = fired(server.add(Fault(lambda _: True, lambda _: outcome(503, "transient"), 999)))
    for _ in range(5):
        with pytest.raises(UnreachableError, match=r"answered 503.*transient"):
            walked(client)
    assert fault.fired == QUICK.retries + 1


@pytest.mark.row(33)
def test_retries_are_paid_from_one_account_of_the_run(server: FaultServer, fired: Fired) -> None:
    seen = iter(range(10_000))
    fault = fired(server.add(Fault(lambda _: next(seen) % 2 == 0, answering(503), 999)))
    with client_of(server, replace(QUICK, tokens=6.0, refill=0.0)) as client:
        with pytest.raises(UnreachableError):
            collections.deque((walked(client) for _ in range(99)), maxlen=0)
        assert fault.fired == 7  # six retries, and the failure that could pay for none


@pytest.mark.row(33)
def test_requests_beyond_the_budget_of_the_run_end_it_as_incomplete(
    server: FaultServer, fired: Fired
) -> None:
    fault = fired(server.add(Fault(lambda _: True, lambda answer: answer, 999)))
    with (
        client_of(server, max_requests=3) as client,
        pytest.raises(IncompleteError, match="max_requests_per_center"),
    ):
        walked(client)
    assert fault.fired == 3


def cut(body: bytes) -> bytes:
    return body[: len(body) // 2]


def zipped_and_cut(body: bytes) -> bytes:
    return cut(gzip.compress(body))


def almost_zipped(body: bytes) -> bytes:
    return gzip.compress(body)[:-4]  # all of the content, and half of the end mark


BROKEN = {
    "unframed and cut": (wire.unframed(cut), 34),
    "unframed gzip, cut": (wire.encoded("gzip", zipped_and_cut, is_framed=False), 34),
    "framed gzip, cut": (wire.encoded("gzip", zipped_and_cut), 34),
    "gzip without its end mark": (wire.encoded("gzip", almost_zipped), 34),
    "gzip that is none": (wire.encoded("gzip", bytes), 34),
}


@pytest.mark.row(34)
@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("when", [first, following])
def test_a_cut_body_is_asked_for_again(
    server: FaultServer, client: FhirClient, fired: Fired, name: str, when: wire.When
) -> None:
    fired(server.inject(when, BROKEN[name][0], 2))
    assert walked(client) == set(KEYS)


@pytest.mark.row(34)
@pytest.mark.parametrize("name", BROKEN)
def test_a_body_cut_for_good_is_an_error(
    server: FaultServer, client: FhirClient, fired: Fired, name: str
) -> None:
    fault = fired(server.inject(following, BROKEN[name][0], 99))
    with pytest.raises(UnreachableError, match="short 3 times"):
        walked(client)
    assert fault.fired == QUICK.body_tries


@pytest.mark.row(34)
@pytest.mark.parametrize(
    "send", [wire.unframed(), wire.chunked(), wire.encoded("gzip", gzip.compress, is_framed=False)]
)
def test_a_whole_body_is_believed_however_its_end_is_told(
    server: FaultServer, client: FhirClient, fired: Fired, send: wire.Send
) -> None:
    fired(server.inject(lambda _: True, send, 99))
    assert walked(client) == set(KEYS)


@pytest.mark.row(34)
def test_ndjson_that_ends_without_a_line_end_is_broken(fired: Fired) -> None:
    with pytest.raises(BrokenStreamError):
        list(lines([b'{"a": 1}\n{"b": 2}'], 99))
    fired(1)


BROKEN_OFF: dict[str, wire.Send] = {
    "more announced than sent": wire.announced(10),
    "half of what was announced": wire.cut_after(0.5),
    "only the head": wire.cut_after(0),
    "the last chunk missing": wire.chunked(last=False),
    "a reset": wire.reset,
    "nothing": wire.hung_up,
    "no HTTP": wire.garbage,
}


@pytest.mark.row(35)
@pytest.mark.parametrize("name", BROKEN_OFF)
@pytest.mark.parametrize("when", [first, following])
def test_an_exchange_that_breaks_off_is_repeated(
    server: FaultServer, client: FhirClient, fired: Fired, name: str, when: wire.When
) -> None:
    fired(server.inject(when, BROKEN_OFF[name], 2))
    assert walked(client) == set(KEYS)


@pytest.mark.row(35)
@pytest.mark.parametrize("name", BROKEN_OFF)
def test_an_exchange_that_always_breaks_off_is_an_error(
    server: FaultServer, client: FhirClient, fired: Fired, name: str
) -> None:
    fault = fired(server.inject(following, BROKEN_OFF[name], 99))
    with pytest.raises(UnreachableError):
        walked(client)
    assert fault.fired == 3


@pytest.mark.row(35)
def test_fewer_bytes_announced_than_sent_are_an_error(
    server: FaultServer, client: FhirClient, fired: Fired
) -> None:
    fired(server.inject(following, wire.announced(-5), 99))
    with pytest.raises(ServerError, match="invalid JSON"):
        walked(client)


@pytest.mark.row(35)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_slow_drip_is_bounded_in_time_although_every_byte_comes_soon(
    server: FaultServer, fired: Fired, share: float
) -> None:
    fired(server.inject(first, wire.dripped(0.02, share), 99))
    policy = replace(QUICK, retries=0, body_tries=1, exchange_seconds=0.3)
    started = time.monotonic()
    with client_of(server, policy, read_timeout=5.0) as client, pytest.raises(UnreachableError):
        walked(client)
    assert time.monotonic() - started < 2


@pytest.mark.row(35)
def test_silence_is_bounded_by_the_read_timeout(server: FaultServer, fired: Fired) -> None:
    fired(server.inject(first, wire.hanging(1.0)))
    with client_of(server, read_timeout=0.2) as client:
        assert walked(client) == set(KEYS)


@pytest.mark.row(36)
@pytest.mark.parametrize("change", [wire.two_members, lambda body: gzip.compress(body) + b"\0" * 512])
def test_every_member_of_a_gzip_stream_is_read(
    server: FaultServer, client: FhirClient, fired: Fired, change: Callable[[bytes], bytes]
) -> None:
    fired(server.inject(lambda _: True, wire.encoded("gzip", change), 99))
    assert walked(client) == set(KEYS)


@pytest.mark.row(36)
def test_deflate_is_read_and_other_encodings_are_an_error(
    server: FaultServer, client: FhirClient, fired: Fired
) -> None:
    fired(server.inject(first, wire.encoded("deflate", wire.deflated)))
    assert walked(client) == set(KEYS)
    fired(server.inject(first, wire.encoded("br", bytes)))
    with pytest.raises(ServerError, match="content encoding"):
        walked(client)


@pytest.mark.row(37)
def test_a_gzip_bomb_is_stopped_before_it_fills_the_memory(
    server: FaultServer, client: FhirClient, fired: Fired
) -> None:
    bomb = gzip.compress(b'{"a": "' + b"0" * 50_000_000 + b'"}')
    assert len(bomb) < 60_000
    fired(server.inject(following, wire.encoded("gzip", lambda _: bomb), 99))
    tracemalloc.start()
    with pytest.raises(ServerError, match="too large"):
        walked(client)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 35_000_000


@pytest.mark.row(37)
@pytest.mark.parametrize(
    "caps",
    [Caps(wire=1000), Caps(decoded=100_000), Caps(ratio=2, ratio_from=1000)],
    ids=["wire", "decoded", "ratio"],
)
def test_every_cap_stops_the_stream(caps: Caps, fired: Fired) -> None:
    body = gzip.compress(b"0123456789" * 100_000, compresslevel=1)
    pieces = decoded([body[start : start + 500] for start in range(0, len(body), 500)], "gzip", caps)
    given = bytearray()
    with pytest.raises(OversizeError):
        given.extend(itertools.chain.from_iterable(pieces))
    assert len(given) <= 400_000
    fired(1)


@pytest.mark.row(38)
@pytest.mark.parametrize("count", [6, 3], ids=["first", "following"])
def test_a_page_over_the_cap_is_asked_for_in_halves_and_that_is_remembered(
    server: FaultServer, client: FhirClient, fired: Fired, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    when = first if count == 6 else following
    monkeypatch.setattr(client_module, "PAGE_CAPS", Caps(decoded=3000))
    padding = wire.edited(
        lambda bundle: bundle.update(note="x" * 3000) if len(bundle.get("entry", [])) > 2 else None
    )
    fired(server.add(Fault(when, padding, 999)))
    assert walked(client, QUERY.with_count(count)) == set(KEYS)
    server.seen.clear()
    assert walked(client, QUERY.with_count(count)) == set(KEYS)
    asked = {seen.query["_count"][0] for seen in server.seen if first(seen) and not checking(seen)}
    assert asked == {"1"}
