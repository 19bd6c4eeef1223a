"""Lines judged as they are come to what the same lines come to that are decoded strictly first."""

import itertools
from collections.abc import Iterator, Mapping

import pytest
import simplejson

from ingest import lines
from ingest.accept import Accepted, accept
from ingest.center import FhirVersion
from ingest.decode import JsonObject, decode_object, decode_roughly
from ingest.lines import AcceptedLines, accept_lines, ids_in
from ingest.outcome import OutcomeIssue
from ingest.page import Undecoded, page_of
from ingest.plan import Task, asks
from ingest.query import PatientFilter, Query
from tests.ingest.broken import Breaker
from tests.ingest.bulk_server import issue
from tests.ingest.bulk_server import lines as written
from tests.ingest.examples import CODE_MAP, Resource, center, observation
from tests.ingest.real_resources import demo_resources

CASES = 3_000  # of each FHIR version
BASE_URL = "https://fhir.example.org"
PAIN = b'"resourceType":"Observation","id":"o1","status":"final","code":{"text":"x"}'
QUANTITY = b'{%s,"valueQuantity":{"value":%%s}}' % PAIN
DROPPED = b'{%s,"subject":{"reference":"Patient/p1"},"referenceRange":[{"low":{"value":%%s}}]}' % PAIN
TEXTS = {
    "ordinary": b"{%s}" % PAIN,
    "a fraction that is kept": QUANTITY % b"7.10",
    "a fraction that is not kept": DROPPED % b"7.10",
    "an exponent": QUANTITY % b"1E2",
    "a negative zero": QUANTITY % b"-0",
    "a whole number written as a fraction": QUANTITY % b"7.0",
    "more digits than a double has": QUANTITY % b"0.12345678901234567890",
    "more than 64 bits": QUANTITY % b"18446744073709551616",
    "more digits than are read": DROPPED % (b"1" * 41),
    "beyond a double": DROPPED % b"1e400",
    "beyond a decimal": DROPPED % b"1e-9999999999999999999",
    "not a number": DROPPED % b"NaN",
    "a key twice": b'{%s,"status":"amended"}' % PAIN,
    "a key twice, once as a code": b'{%s,"st\\u0061tus":"amended"}' % PAIN,
    "a key twice and a quote as a code": b'{%s,"status":"amended","x":"\\u0022\\u0022"}' % PAIN,
    "quotes in a text": b'{%s,"note":[{"text":"\\"x\\" \\\\\\" y"}]}' % PAIN,
    "half a surrogate pair": b'{%s,"note":[{"text":"\\ud800"}]}' % PAIN,
    "no UTF-8": b'{%s,"note":[{"text":"\xff"}]}' % PAIN,
    "beyond ASCII": '{%s,"note":[{"text":"é 漢 \U0001f600"}]}'.encode() % PAIN,
    "a byte order mark": b"\xef\xbb\xbf{%s}" % PAIN,
    "a carriage return": b"{%s}\r" % PAIN,
    "nested too deeply": b'{%s,"extension":%s1%s}' % (PAIN, b"[" * 64, b"]" * 64),
    "nested as deeply as is read": b'{%s,"extension":%s1%s}' % (PAIN, b"[" * 62, b"]" * 62),
    "no object": b"[]",
    "no resource": b'{"id":"o1"}',
    "a type that is no text": b'{"resourceType":7}',
    "two values": b"{%s}{}" % PAIN,
    "cut off": b"{%s" % PAIN,
}


def tasks(version: FhirVersion) -> dict[str, Task]:
    """A question for everything of a type, by type."""
    place = center(BASE_URL, fhir_version=version)
    found = {ask.resource_type.name: ask for ask in asks(place, CODE_MAP, "patient")}
    return {name: Task(ask, Query(name, None, None, ()), ()) for name, ask in found.items()}


def strictly(body: bytes, task: Task, version: FhirVersion, known: Mapping[str, str]) -> AcceptedLines:
    """What lines come to when each is decoded strictly, and only then judged."""
    found, chosen = AcceptedLines(Accepted()), list[JsonObject]()
    for line in filter(bytes.strip, body.split(b"\n")):
        found.lines += 1
        try:
            resource = decode_object(line)
        except ValueError:
            resource = {}
        if not isinstance(resource.get("resourceType"), str):
            found.unreadable += 1
        elif resource["resourceType"] == task.query.resource_type and task.query.admits(resource, BASE_URL):
            chosen.append(resource)
    found.received = len(chosen)
    found.accepted = accept(chosen, task, BASE_URL, version, known)
    return found


def both_ways(body: bytes, task: Task, version: FhirVersion, known: Mapping[str, str]) -> AcceptedLines:
    """What lines come to, after it was compared."""
    found = accept_lines(body, task, BASE_URL, version, known)
    assert found == strictly(body, task, version, known)
    return found


@pytest.mark.parametrize("text", TEXTS)
def test_whatever_a_line_holds_comes_to_the_same(text: str) -> None:
    task = tasks("R4")["Observation"]
    found = both_ways(TEXTS[text], task, "R4", {})
    hashes = {each.resource_id: each.content_hash for each in found.accepted.landed}
    hashes |= {each.resource_id: each.content_hash for each in found.accepted.quarantined}
    both_ways(TEXTS[text], task, "R4", hashes)


def test_the_texts_are_read_refused_and_landed() -> None:
    found = both_ways(b"\n".join(TEXTS.values()), tasks("R4")["Observation"], "R4", {})
    assert found.lines == len(TEXTS)
    assert min(found.unreadable, len(found.accepted.landed), len(found.accepted.quarantined)) >= 3


@pytest.mark.parametrize("version", ["R4", "R5"])
def test_broken_resources_come_to_the_same(version: FhirVersion) -> None:
    chosen, seen, known = tasks(version), set[str](), dict[str, str]()
    for resource in broken(version, set(chosen)):
        task = chosen[resource["resourceType"]]
        body = simplejson.dumps(resource, use_decimal=True, allow_nan=True).encode()
        found = both_ways(body, task, version, known)
        for each in found.accepted.landed:
            known[each.resource_id] = each.content_hash
        seen |= {"rough" if decode_roughly(body) is not None else "strict"}
        seen |= {"landed"} if found.accepted.landed else {"refused"}
    assert seen == {"rough", "strict", "landed", "refused"}


def broken(version: FhirVersion, types: set[str]) -> Iterator[Resource]:
    resources = [each for each in demo_resources(version) if each["resourceType"] in types]
    for each in itertools.islice(Breaker(resources, seed=7).broken(), CASES):
        if isinstance(each.get("resourceType"), str) and each["resourceType"] in types:
            yield each


def test_strangers_and_other_types_are_dropped_and_reports_are_heard() -> None:
    task = tasks("R4")["Observation"]
    query = Query("Observation", None, PatientFilter("subject", "subject", ("p1",)), ())
    others = [observation("o2", "p9"), {"resourceType": "Patient", "id": "p1"}, issue("error", "exception")]
    unreadable = b'{"resourceType":"OperationOutcome","issue":[{"code":"x"}],"x":%s}' % (b"1" * 41)
    body = written([observation("o1", "p1"), *others]) + unreadable
    found = accept_lines(body, Task(task.ask, query, ()), BASE_URL, "R4", {})
    assert [each.resource_id for each in found.accepted.landed] == ["o1"]
    assert (found.lines, found.received, found.unreadable, found.accepted.unasked) == (5, 1, 1, 0)
    assert found.issues == [OutcomeIssue("error", "exception")]


def test_a_line_that_is_too_long_is_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_LINE", 100)
    found = accept_lines(b"{%s}\n" % PAIN, tasks("R4")["Observation"], BASE_URL, "R4", {})
    assert (found.lines, found.unreadable, found.received) == (1, 0, 1)
    found = accept_lines(b"{%s}%s\n" % (PAIN, b" " * 100), tasks("R4")["Observation"], BASE_URL, "R4", {})
    assert (found.lines, found.unreadable, found.received) == (1, 1, 0)


def test_every_id_of_a_resource_is_found() -> None:
    body = written([observation("o1", "p1"), observation("o2", "p1")]) + b'{"id" : "a.b-C"}'
    assert ids_in(body) == ["a.b-C", "o1", "o2"]


@pytest.mark.parametrize("fraction", [b"", b"7.10", b"1" * 19])
def test_a_page_comes_to_the_same_undecoded_as_decoded(fraction: bytes) -> None:
    task = tasks("R4")["Observation"]
    ordinary, odd = observation("o1", "p1"), b"{%s}" % PAIN.replace(b"o1", b"o2")
    if fraction:
        odd = (QUANTITY % fraction).replace(b"o1", b"o2")
    broken_one = b'{"resourceType":"Observation","id":"o3"}'
    texts = [simplejson.dumps(ordinary).encode(), odd, broken_one, odd.replace(b"final", b"amended")]
    entries = b",".join(b'{"resource":%s}' % text for text in texts)
    body = b'{"resourceType":"Bundle","type":"searchset","entry":[%s]}' % entries
    page = page_of(decode_object(body), "Observation")
    found = accept(Undecoded(body, "Observation", page.heads), task, BASE_URL, "R4", {})
    assert found == accept(page.resources, task, BASE_URL, "R4", {})
    assert [each.resource_id for each in found.landed] == ["o1", "o2", "o2"]
    assert {each.resource_id for each in found.quarantined} == {"o3"}
