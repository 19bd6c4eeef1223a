"""Parsers under arbitrary input: what they cannot read is refused by the errors they promise, by no other."""

import datetime as dt
import gzip
import json
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.bundle import target
from ingest.client import FhirClient
from ingest.decode import MAX_DEPTH, decode_object
from ingest.instant import instant
from ingest.minimise import canonical
from ingest.origin import origin_of
from ingest.outcome import ISSUE_TYPES, SEVERITIES, issues_of
from ingest.reply import Reply, http_date, retry_after
from ingest.search import WalkLimits, walk
from ingest.stream import BrokenStreamError, Caps, EncodingError, OversizeError, decoded, lines
from mappings.errors import CryocohortError
from tests.faults.fault_server import FaultServer, as_json, fault_serving
from tests.faults.test_rows_paging import QUERY
from tests.ingest.examples import QUICK, center, observation
from tests.ingest.loopback import Answer, Seen

FEW = settings(max_examples=200, deadline=None)
FEWER = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
OBJECTS = st.dictionaries(st.text(), VALUES, max_size=5)
# Text that is close to JSON: what parsers disagree about is found near it.
PIECES = st.sampled_from(
    ["{", "}", "[", "]", '"', "\\", "\\u", "d800", ":", ",", "1", "-", ".", "e", "E400", "NaN", "null",
     "true", " ", "\n", "\x00", "\ufeff", "a", "é", "\\ud83d", "/*", "'", "\u2028"]
)  # fmt: skip
NEARLY_JSON = st.lists(PIECES, max_size=30).map(lambda parts: ("{" + "".join(parts) + "}").encode())


@FEW
@given(st.binary(max_size=200) | NEARLY_JSON)
def test_bytes_are_a_json_object_or_a_value_error(body: bytes) -> None:
    try:
        found = decode_object(body)
    except ValueError:
        return
    assert isinstance(found, dict)
    canonical(found)


@FEW
@given(OBJECTS, st.booleans())
def test_what_json_writes_is_read_back(value: dict[str, Any], is_ascii: bool) -> None:
    text = json.dumps(value, ensure_ascii=is_ascii)
    body = text.encode("utf-8", "surrogatepass")
    found = decode_object(body)
    if all(not 0xD800 <= ord(character) <= 0xDFFF for character in text):
        assert json.loads(json.dumps(found, default=float)) == json.loads(text)


@FEW
@given(OBJECTS.filter(bool), st.data())
def test_a_second_key_anywhere_is_refused(value: dict[str, Any], data: st.DataObject) -> None:
    key = json.dumps(data.draw(st.sampled_from(sorted(value))))
    body = json.dumps(value)[:-1] + f", {key}: {json.dumps(data.draw(VALUES))}}}"
    with pytest.raises(ValueError, match="twice"):
        decode_object(body.encode("utf-8"))


# JSON texts with what a quick check could take for something else: codes for quotes, numbers of any length.
STRINGS = st.lists(
    st.sampled_from(
        ["a", "b", " ", "{", "[", ":", r"\"", r"\\", r"\u0022", r"\u0061", r"\ud800", r"\n", "u0022", "é"]
    ),
    max_size=4,
).map(lambda parts: '"' + "".join(parts) + '"')
NUMBERS = st.sampled_from(["0", "-0", "7.10", "1E5", "-0.0", "18446744073709551616", "1e999", "9" * 41])


def _objects(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    members = st.lists(st.builds("{}:{}".format, STRINGS, inner), max_size=4)
    return members.map(lambda each: "{" + ",".join(each) + "}")


def _arrays(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(inner, max_size=4).map(lambda each: "[" + ", ".join(each) + "]")


def _nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    around = st.integers(MAX_DEPTH - 6, MAX_DEPTH)
    return st.builds(lambda levels, text: "[" * levels + text + "]" * levels, around, inner)


TEXTS = _objects(
    st.recursive(STRINGS | NUMBERS, lambda inner: _objects(inner) | _arrays(inner), max_leaves=12).flatmap(
        lambda text: st.just(text) | _nested(st.just(text))
    )
)


def _by_hooks(text: str) -> Any:
    """The same rules by the plain way: a hook looks at every object, a walk at every level."""

    def no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) < len(pairs):
            raise ValueError
        return dict(pairs)

    def no_long(digits: str) -> int:
        if len(digits) > 40:
            raise ValueError
        return int(digits)

    def depth(value: Any) -> int:
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
        return 0 if inner is None else 1 + max(map(depth, inner), default=0)

    value = json.loads(text, object_pairs_hook=no_key_twice, parse_float=Decimal, parse_int=no_long)
    if depth(value) > MAX_DEPTH:
        raise ValueError
    return value


@settings(max_examples=1_000, deadline=None)
@given(TEXTS)
def test_quick_checks_decide_as_looking_at_every_object_does(text: str) -> None:
    expected = found = None
    with suppress(ValueError):
        expected = _by_hooks(text)
    with suppress(ValueError):
        found = decode_object(text.encode())
    assert repr(found) == repr(expected)


ENCODINGS = st.sampled_from(["", "identity", "gzip", "x-gzip", "deflate", "GZIP", "br", "gzip, gzip"])


@st.composite
def streams(draw: st.DrawFn) -> tuple[str, list[bytes]]:
    body = draw(st.binary(max_size=300))
    encoder = draw(st.sampled_from([bytes, gzip.compress, zlib.compress]))
    whole = draw(st.binary(max_size=2)) * draw(st.booleans()) + encoder(body) * draw(st.integers(0, 2))
    end = draw(st.integers(0, len(whole)))
    size = draw(st.integers(1, 50))
    return draw(ENCODINGS), [whole[start : min(start + size, end)] for start in range(0, end, size)]


@FEW
@given(streams())
def test_a_stream_is_decoded_or_refused_as_promised(stream: tuple[str, list[bytes]]) -> None:
    encoding, chunks = stream
    caps = Caps(wire=200, decoded=400, ratio=20, ratio_from=100)
    try:
        found = b"".join(decoded(chunks, encoding, caps))
    except (BrokenStreamError, OversizeError, EncodingError):
        return
    assert len(found) <= caps.decoded


@FEW
@given(st.lists(st.binary(max_size=20), max_size=8), st.integers(1, 40))
def test_whole_streams_of_any_members_are_read_whole(bodies: list[bytes], size: int) -> None:
    whole = b"".join(map(gzip.compress, bodies))
    chunks = [whole[start : start + size] for start in range(0, len(whole), size)]
    assert b"".join(decoded(chunks, "gzip", Caps())) == b"".join(bodies)


@FEW
@given(st.binary(max_size=200), st.integers(1, 50))
def test_lines_are_those_between_line_feeds(body: bytes, size: int) -> None:
    whole = body + b"\n"
    pieces = [whole[start : start + size] for start in range(0, len(whole), size)]
    assert list(lines(pieces, 1000)) == whole.split(b"\n")[:-1]


def test_a_stream_without_end_is_stopped_in_little_memory() -> None:
    member = gzip.compress(b"0" * 1_000_000)

    def forever() -> Iterator[bytes]:
        while True:
            yield member

    tracemalloc.start()
    with pytest.raises(OversizeError):
        for _ in decoded(forever(), "gzip", Caps()):
            pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


@FEW
@given(
    st.text(max_size=40) | st.integers().map(str) | st.datetimes().map(str), st.text(max_size=40) | st.none()
)
def test_any_retry_after_is_seconds_or_nothing(text: str, date: str | None) -> None:
    found = retry_after(text, date)
    assert found is None or found >= 0
    assert 0 <= QUICK.wait(3, found) <= QUICK.max_wait
    told = http_date(text)
    assert told is None or told.tzinfo is dt.UTC


@FEW
@given(st.text(max_size=40) | SCALARS | st.datetimes(timezones=st.timezones()).map(dt.datetime.isoformat))
def test_any_value_is_an_instant_or_none(value: object) -> None:
    found = instant(value)
    assert found is None or found.tzinfo is dt.UTC


@FEW
@given(st.datetimes(min_value=dt.datetime(1900, 1, 2), timezones=st.just(dt.UTC)))  # noqa: DTZ001
def test_every_instant_that_fhir_can_write_is_read(moment: dt.datetime) -> None:
    assert instant(moment.isoformat(timespec="microseconds").replace("+00:00", "Z")) == moment


@FEW
@given(VALUES | st.fixed_dictionaries({"resourceType": st.just("OperationOutcome"), "issue": VALUES}))
def test_any_outcome_tells_known_words_only(value: object) -> None:
    for issue in issues_of(value if isinstance(value, dict) else {}):
        assert issue.severity in SEVERITIES
        assert issue.code in ISSUE_TYPES


LINKS = st.text(max_size=60) | st.builds(
    "{}{}{}{}".format,
    st.sampled_from(
        ["http://", "https://", "//", "/", "", "http:", "javascript:", "file:///", "\\\\", "http:\\\\"]
    ),
    st.sampled_from(
        ["{sink}", "{own}", "{own}@{sink}", "{sink}#@{own}", "{own}.evil", "[::1", "{own}:{sink}", "@{own}"]
    ),
    st.sampled_from(["", "/", ":80", ":443:443", "\\", "?", "#", "/fhir/Observation", "%2f..", " "]),
    st.text(max_size=10),
)


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[FaultServer, FaultServer]]:
    """A server that gives whatever next link it is told to, and a sink that must never be asked."""
    with (
        fault_serving(FaultServer([observation("o1", "p1")])) as server,
        fault_serving(FaultServer()) as sink,
    ):
        yield server, sink


def at(server: FaultServer) -> str:
    return server.base_url.removeprefix("http://").removesuffix("/fhir")


@FEWER
@given(LINKS, st.booleans())
def test_whatever_the_next_link_a_sink_gets_no_request_and_the_walk_ends(
    pair: tuple[FaultServer, FaultServer], link: str, is_rewritten: bool
) -> None:
    server, sink = pair
    url = link.replace("{sink}", at(sink)).replace("{own}", at(server))
    bundle = {"resourceType": "Bundle", "type": "searchset", "link": [{"relation": "next", "url": url}]}
    server.answer = lambda _: Answer(200, as_json(bundle))  # type: ignore[method-assign]
    told = center(server.base_url, rewrite_links=is_rewritten)
    with FhirClient(told, QUICK) as client, pytest.raises(CryocohortError):
        list(walk(client, QUERY, WalkLimits(pages=3)))
    assert sink.seen == []


@FEW
@given(LINKS)
def test_a_link_that_is_followed_has_the_centers_origin(link: str) -> None:
    told = center("https://fhir.example.org/r4", rewrite_links=True)
    url = target(
        told, Reply(200, "https://fhir.example.org/r4/Observation?x=1", {}, None), link, "Observation"
    )
    found = origin_of(url)
    assert found is None or found.host


BUNDLES = st.fixed_dictionaries(
    {
        "resourceType": st.sampled_from(["Bundle", "Patient"]),
        "type": st.sampled_from(["searchset", "history", ""]),
    },
    optional={
        "link": VALUES
        | st.lists(
            st.fixed_dictionaries({"relation": st.sampled_from(["next", "self"]), "url": VALUES}), max_size=2
        ),
        "entry": VALUES
        | st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "resource": VALUES
                    | st.fixed_dictionaries(
                        {"resourceType": st.sampled_from(["Observation", "OperationOutcome", "Patient"])},
                        optional={"id": VALUES, "meta": VALUES, "issue": VALUES},
                    ),
                    "search": VALUES,
                },
            ),
            max_size=3,
        ),
        "total": VALUES,
    },
)


@FEWER
@given(BUNDLES)
def test_any_bundle_is_walked_or_refused_by_an_error_of_the_tree(
    pair: tuple[FaultServer, FaultServer], bundle: dict[str, Any]
) -> None:
    server, _ = pair

    def answer(seen: Seen) -> Answer:
        return Answer(200, as_json(bundle))

    server.answer = answer  # type: ignore[method-assign]
    with FhirClient(center(server.base_url), QUICK) as client:
        try:
            pages = list(walk(client, QUERY, WalkLimits(pages=3)))
        except CryocohortError:
            return
    assert all(resource["resourceType"] == "Observation" for page in pages for resource in page.resources)
