"""Rows 39-46: what is inside a page that arrived whole."""

import codecs
from collections.abc import Sequence
from dataclasses import replace

import pytest

from ingest.client import FhirClient
from ingest.decode import MAX_DEPTH
from ingest.instant import instant
from ingest.minimise import MAX_KEPT_BYTES
from ingest.search import walk
from ingest.stream import lines
from mappings.errors import ServerError
from tests.faults.fault_server import KEYS, FaultServer, edited, swapped
from tests.faults.reliability import Fired
from tests.faults.test_rows_paging import QUERY, checking, first, following, walked
from tests.ingest.examples import Resource, observation
from tests.ingest.loopback import Answer, Fault, Seen
from tests.ingest.test_sync import Place, keys

VALUE = b'"value": 7'


def observations(seen: Seen) -> bool:
    return seen.resource_type == "Observation"


def quarantined(place: Place) -> set[tuple[str, str]]:
    rows = place.warehouse.rows("SELECT DISTINCT resource_id, rule FROM ops.quarantine")
    return {(row["resource_id"], row["rule"]) for row in rows}


def sync_spoiled(place: Place, fired: Fired, spoiled: Sequence[bytes], old: bytes, new: bytes) -> set[str]:
    """Sync with one Observation for each of `spoiled`, which replaces its `old` by `new`; their ids.

    `old` holds %d for the number of the Observation, `new` holds %s for what spoils it.
    """
    for number in range(10, 10 + len(spoiled)):
        told = observation(f"bad-{number}", "p1", 1000 + number)
        place.server.put(told | {"effectiveDateTime": f"2020-06-{number}"})

    def spoil(answer: Answer) -> Answer:
        for number, each in enumerate(spoiled, start=10):
            answer = swapped(old % number, new % each)(answer)
            fired(1)
        return answer

    place.server.add(Fault(observations, spoil))
    assert place.sync().status == "complete"
    return {f"bad-{number}" for number in range(10, 10 + len(spoiled))}


def only_these_are_bad(place: Place, bad: set[str], rule: str | None = None) -> None:
    """Those Observations alone are in quarantine, by that rule, and everything else has landed."""
    assert {key for key, told in quarantined(place) if rule in {None, told}} == bad
    assert {key for key, _ in quarantined(place)} == bad
    assert set(place.heads()) == keys("p1", "p2", "p3")


NUMBER = (b'"value": 10%d', b'"value": %s')
UNIT = (b'"value": 10%d, "unit": "{score}"', b'"value": 7, "unit": "%s"')
DATE = (b'"effectiveDateTime": "2020-06-%d"', b'"effectiveDateTime": %s')


@pytest.mark.row(38)
def test_a_resource_over_the_cap_goes_to_quarantine_alone_and_its_older_version_stays(
    place: Place, fired: Fired
) -> None:
    place.sync()
    before = place.heads()

    def grow(bundle: Resource) -> None:
        for entry in bundle["entry"]:
            if entry["resource"]["id"] == "pain-p1":
                entry["resource"]["valueQuantity"]["unit"] = "CANARY" + "x" * MAX_KEPT_BYTES

    fault = fired(place.server.add(Fault(observations, edited(grow), 9)))
    place.night()
    for key in ("p1", "p2"):
        place.server.put(observation(f"pain-{key}", key, 3))
    report = place.sync()
    (told,) = place.warehouse.rows("SELECT * FROM ops.quarantine")
    assert (report.status, report.counts["Observation"].quarantined) == ("complete", 1)
    assert (told["resource_id"], told["rule"], told["is_open"]) == ("pain-p1", "size", True)
    assert len(told["body"]) < 100
    after = place.heads()
    assert {key for key in before if after[key] != before[key]} == {("Observation", "pain-p2")}
    fault.times = 0
    place.night()
    place.server.put(observation("pain-p1", "p1", 3))
    place.sync()
    assert place.warehouse.rows("SELECT 1 FROM ops.quarantine WHERE is_open") == []
    assert place.heads()["Observation", "pain-p1"] != before["Observation", "pain-p1"]


@pytest.mark.row(39)
def test_one_byte_order_mark_is_stripped(server: FaultServer, client: FhirClient, fired: Fired) -> None:
    def mark(answer: Answer) -> Answer:
        return replace(answer, body=codecs.BOM_UTF8 + answer.body)

    fired(server.add(Fault(lambda _: True, mark, 99)))
    assert walked(client) == set(KEYS)


@pytest.mark.row(39)
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_a_page_in_another_encoding_is_an_error(
    server: FaultServer, client: FhirClient, fired: Fired, encoding: str
) -> None:
    def encode(answer: Answer) -> Answer:
        return replace(answer, body=answer.body.decode().encode(encoding))

    fired(server.add(Fault(following, encode, 99)))
    with pytest.raises(ServerError, match="not JSON"):
        walked(client)


@pytest.mark.row(39)
def test_resources_that_hold_no_text_go_to_quarantine_alone(place: Place, fired: Fired) -> None:
    texts = [b"\xff", b"\xed\xa0\x80", b"\\ud800", b"\\u0000", b"\xc3", b"\xf4\x90\x80\x80"]
    only_these_are_bad(place, sync_spoiled(place, fired, texts, *UNIT), "text")


@pytest.mark.row(40)
@pytest.mark.parametrize(
    "number", [b"NaN", b"Infinity", b"-Infinity", b"9" * 5000, b"1e99999999999999999999"]
)
def test_what_is_no_number_is_an_error(
    server: FaultServer, client: FhirClient, fired: Fired, number: bytes
) -> None:
    fired(server.add(Fault(first, swapped(VALUE, b'"value": ' + number), 99)))
    with pytest.raises(ServerError, match="invalid JSON"):
        walked(client)


@pytest.mark.row(40)
def test_numbers_beyond_every_column_go_to_quarantine_alone(place: Place, fired: Fired) -> None:
    numbers = [b"1e400", b"-1e999", b"1e-400", b"0." + b"1" * 60, b"9" * 39]
    only_these_are_bad(place, sync_spoiled(place, fired, numbers, *NUMBER), "number")


@pytest.mark.row(41)
def test_numbers_keep_their_digits(place: Place, fired: Fired) -> None:
    numbers = [b"7.10", b"0.0", b"-1.000", b"18446744073709551617", b"0.1000000000000000055511151231"]
    sync_spoiled(place, fired, numbers, *NUMBER)
    rows = place.warehouse.rows(
        "SELECT body FROM read_parquet(?)", [f"{place.warehouse.folder}/raw/a/Observation/*/*.parquet"]
    )
    stored = " ".join(row["body"] for row in rows)
    assert all(f'"value":{number.decode()}}}' in stored for number in numbers)


@pytest.mark.row(42)
@pytest.mark.parametrize("depth", [MAX_DEPTH, 1000, 100_000])
def test_nesting_without_end_is_an_error(
    server: FaultServer, client: FhirClient, fired: Fired, depth: int
) -> None:
    deep = b'"value": ' + b"[" * depth + b"]" * depth
    fired(server.add(Fault(first, swapped(VALUE, deep), 99)))
    with pytest.raises(ServerError, match="nested too deeply"):
        walked(client)


@pytest.mark.row(43)
@pytest.mark.parametrize("pair", [b'"value": 7, "value": 7', b'"value": 7, "\\u0076alue": 8'])
def test_a_key_twice_in_one_object_is_an_error(
    server: FaultServer, client: FhirClient, fired: Fired, pair: bytes
) -> None:
    fired(server.add(Fault(following, swapped(VALUE, pair), 99)))
    with pytest.raises(ServerError, match="twice"):
        walked(client)


SEPARATORS = "a\u2028b\u2029c\u0085d"


@pytest.mark.row(44)
def test_line_separators_inside_a_string_are_text(
    server: FaultServer, client: FhirClient, fired: Fired
) -> None:
    unit = SEPARATORS.encode()
    fault = fired(
        server.add(Fault(lambda seen: first(seen) and not checking(seen), swapped(b"{score}", unit), 9))
    )
    units = [each["valueQuantity"]["unit"] for page in walk(client, QUERY) for each in page.resources]
    assert units[0] == SEPARATORS
    assert fault.fired == 1


@pytest.mark.row(44)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_ndjson_is_split_at_line_feeds_only(fired: Fired, size: int) -> None:
    told = [f'{{"a": "{SEPARATORS}"}}'.encode(), b"", b'{"b": "\\n"}\r']
    body = b"".join(line + b"\n" for line in told)
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    assert list(lines(pieces, 1000)) == told
    fired(body.decode().count("\u2028"))


BAD = {
    "an unknown element": {"unheard": "CANARY"},
    "a wrong type": {"valueQuantity": {"value": "CANARY"}},
    "no status": {"status": None},
    "an id that is none": {"component": [{"code": "CANARY"}]},
}


@pytest.mark.row(45)
@pytest.mark.parametrize("name", BAD)
def test_one_bad_resource_stops_nothing(place: Place, fired: Fired, name: str) -> None:
    def spoil(bundle: Resource) -> None:
        for entry in bundle["entry"]:
            resource = entry["resource"]
            if resource["id"] == "pain-p1":
                resource.update(BAD[name])

    fault = fired(place.server.add(Fault(observations, edited(spoil), 9)))
    report = place.sync()
    assert report.status == "complete"
    assert report.counts["Observation"].quarantined == 1
    assert {key for key, _ in quarantined(place)} == {"pain-p1"}
    assert set(place.heads()) == keys("p1", "p2", "p3") - {("Observation", "pain-p1")}
    assert "CANARY" not in str(report)
    fault.times = 0
    place.server.put(observation("pain-p1", "p1"))
    place.night()
    place.sync()
    assert set(place.heads()) == keys("p1", "p2", "p3")


@pytest.mark.row(46)
def test_dates_that_are_none_are_never_other_dates(place: Place, fired: Fired) -> None:
    dates = [
        b'"202510"',
        b'"2025-13-01"',
        b'"20251001"',
        b'"01/02/2025"',
        b'"2025-10-01 12:00"',
        b'"25-10-01"',
    ]
    only_these_are_bad(place, sync_spoiled(place, fired, dates, *DATE))


INSTANTS = [
    "2026-03-01T12:00:60Z",
    "2026-03-01T12:00:00",
    "20260301T120000Z",
    "2026-W09-7T12:00:00Z",
    "2026-03-01T12Z",
    "2026-03-01 12:00:00Z",
    "0001-01-01T00:00:00+02:00",
    "2026-03-01T12:00:00z",
    "2026-03-01",
    "\u0662026-03-01T12:00:00Z",
]


@pytest.mark.row(46)
def test_instants_that_are_none_are_no_instant_and_lose_nothing(place: Place, fired: Fired) -> None:
    assert [instant(text) for text in INSTANTS] == [None] * len(INSTANTS)

    def stamp(bundle: Resource) -> None:
        extra = [observation(f"odd-{number}", "p1") for number in range(len(INSTANTS))]
        for resource, text in zip(extra, INSTANTS, strict=True):
            resource["meta"] = {"lastUpdated": text}
            bundle["entry"].append({"resource": resource})
            fired(1)

    place.server.add(Fault(observations, edited(stamp)))
    assert place.sync().status == "complete"
    landed = place.warehouse.rows(
        "SELECT resource_id, last_updated FROM ops.head WHERE resource_id LIKE 'odd%'"
    )
    assert {row["last_updated"] for row in landed} <= {None}
    held = {row["resource_id"] for row in landed} | {key for key, _ in quarantined(place)}
    assert held == {f"odd-{number}" for number in range(len(INSTANTS))}
