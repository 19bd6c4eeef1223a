"""A small FHIR server on loopback: real sockets, real searches, and faults that count their firing."""

import datetime as dt
import gzip
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.ingest.http_serving import running

Resource = dict[str, Any]

START = dt.datetime(2026, 3, 1, 12, 0, 0, tzinfo=dt.UTC)
PATIENT_ELEMENT = {"Patient": "id", "BodyStructure": "patient"}
KNOWN = {"code", "subject", "patient", "_id", "_lastUpdated", "_count", "_elements"}


@dataclass(frozen=True)
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    raw_path: str

    @property
    def resource_type(self) -> str:
        return self.path.removeprefix("/fhir/").partition("/")[0]

    @property
    def read_id(self) -> str | None:
        """The id of a read, None for a search."""
        rest = self.path.removeprefix("/fhir/").partition("/")[2]
        return rest if rest and rest != "_search" else None

    @property
    def is_next(self) -> bool:
        return "_page" in self.query


@dataclass(frozen=True)
class Answer:
    """One response before it is sent; `framing` is how its end is told."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/fhir+json"})
    framing: str = (
        "length"  # length | close (no length) | long (more announced than sent) | chunk (no last chunk)
    )

    @property
    def bundle(self) -> Resource:
        return json.loads(self.body)

    def edited(self, change: Callable[[Resource], None]) -> "Answer":
        bundle = self.bundle
        change(bundle)
        return replace(self, body=json.dumps(bundle).encode())


@dataclass
class Fault:
    """Changes the answers to the first `times` requests that match `when`."""

    when: Callable[[Seen], bool]
    change: Callable[[Answer], Answer]
    times: int = 1
    fired: int = 0


class FhirServer:
    """An in-memory FHIR server; `clock` gives its own time, `without_date` drops the Date header."""

    def __init__(self, resources: Iterable[Resource] = ()) -> None:
        self.clock = START
        self.without_date = False
        self.seen: list[Seen] = []
        self.faults: list[Fault] = []
        self.base_url = ""
        self._store: dict[tuple[str, str], Resource] = {}
        self._removed: set[tuple[str, str]] = set()
        self._pages: dict[str, tuple[str, list[Resource], int, int]] = {}
        for resource in resources:
            self.put(resource)

    def put(self, resource: Resource) -> None:
        key = (resource["resourceType"], resource["id"])
        version = int(self._store[key]["meta"]["versionId"]) + 1 if key in self._store else 1
        stamp = self.clock.strftime("%Y-%m-%dT%H:%M:%S.000Z")
        self._removed.discard(key)
        self._store[key] = resource | {"meta": {"versionId": str(version), "lastUpdated": stamp}}

    def remove(self, resource_type: str, resource_id: str) -> Resource:
        """Delete a resource; written again its versions begin at 1."""
        self._removed.add((resource_type, resource_id))
        return self._store.pop((resource_type, resource_id))

    def restore(self, resource: Resource) -> None:
        """A resource as a backup had it, its meta included."""
        self._store[resource["resourceType"], resource["id"]] = resource

    def held(self, resource_type: str, resource_id: str) -> Resource:
        return self._store[resource_type, resource_id]

    def add(self, fault: Fault) -> Fault:
        self.faults.append(fault)
        return fault

    def answer(self, seen: Seen) -> Answer:
        self.seen.append(seen)
        answer = self._answer(seen)
        for fault in self.faults:
            if fault.fired < fault.times and fault.when(seen):
                fault.fired += 1
                answer = fault.change(answer)
        return answer

    def asked(self, resource_type: str) -> list[Seen]:
        return [
            seen
            for seen in self.seen
            if seen.resource_type == resource_type and not seen.is_next and seen.read_id is None
        ]

    def reads(self) -> list[str]:
        """What was read by id, as Type/id."""
        return [f"{seen.resource_type}/{seen.read_id}" for seen in self.seen if seen.read_id]

    def _answer(self, seen: Seen) -> Answer:
        if seen.is_next:
            return self._page(seen)
        if seen.read_id is None:
            return self._search(seen)
        key = (seen.resource_type, seen.read_id)
        if key in self._removed:
            return outcome(410, "deleted")
        if key not in self._store:
            return outcome(404, "not-found")
        return Answer(200, json.dumps(self._store[key]).encode())

    def _search(self, seen: Seen) -> Answer:
        unknown = set(seen.query) - KNOWN
        if unknown and "handling=strict" in seen.headers.get("Prefer", ""):
            return outcome(400, "not-supported")
        found = [each for each in self._store.values() if self._matches(each, seen)]
        found.sort(key=lambda each: each["id"])
        if "_elements" in seen.query:
            told = {"resourceType", "id", "meta", *seen.query["_elements"][0].split(",")}
            found = [{name: value for name, value in each.items() if name in told} for each in found]
        return self._bundle(seen.resource_type, found, 0, int(seen.query.get("_count", ["50"])[0]))

    def _page(self, seen: Seen) -> Answer:
        told = self._pages.get(seen.query["_page"][0])
        if told is None:
            return outcome(410, "expired")
        return self._bundle(*told) if seen.path == f"/fhir/{told[0]}" else outcome(404, "not-found")

    def _bundle(self, resource_type: str, found: list[Resource], offset: int, count: int) -> Answer:
        page = found[offset : offset + count]
        bundle: Resource = {
            "resourceType": "Bundle",
            "type": "searchset",
            "link": [],
            "entry": [{"resource": each, "search": {"mode": "match"}} for each in page],
        }
        if offset + count < len(found):
            token = self._token((resource_type, found, offset + count, count))
            bundle["link"].append(
                {"relation": "next", "url": f"{self.base_url}/{resource_type}?_page={token}"}
            )
        return Answer(200, json.dumps(bundle).encode())

    def _token(self, page: tuple[str, list[Resource], int, int]) -> str:
        """The same page keeps its link, as it does on servers that put the offset into it."""
        known = [token for token, told in self._pages.items() if told == page]
        token = known[0] if known else f"p{len(self._pages)}"
        self._pages[token] = page
        return token

    def _matches(self, resource: Resource, seen: Seen) -> bool:
        if resource["resourceType"] != seen.resource_type:
            return False
        return all(self._fits(resource, name, values[0]) for name, values in seen.query.items())

    def _fits(self, resource: Resource, name: str, value: str) -> bool:
        if name == "code":
            told = {f"{each.get('system', '')}|{each['code']}" for each in resource["code"]["coding"]}
            return not told.isdisjoint(value.split(","))
        if name == "_id":
            return resource["id"] in value.split(",")
        if name in {"subject", "patient"}:
            element = PATIENT_ELEMENT.get(resource["resourceType"], "subject")
            return resource[element]["reference"] in value.split(",")
        if name == "_lastUpdated":
            return resource["meta"]["lastUpdated"] >= value.removeprefix("ge")
        return True


def outcome(status: int, code: str) -> Answer:
    body = {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": code, "diagnostics": "CANARY-diagnostics"}],
    }
    return Answer(status, json.dumps(body).encode())


def zipped(answer: Answer) -> Answer:
    headers = {**answer.headers, "Content-Encoding": "gzip"}
    return replace(answer, body=gzip.compress(answer.body), headers=headers)


@contextmanager
def serving(server: FhirServer) -> Iterator[FhirServer]:
    """Serve `server` on a free loopback port while the block runs."""
    with running(_http_server(server)) as server.base_url:
        yield server


def _http_server(server: FhirServer) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # head and body are two writes

        def do_GET(self) -> None:
            self._answer(urlsplit(self.path).query)

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

        def _answer(self, form: str) -> None:
            query = parse_qs(form, keep_blank_values=True)
            path = urlsplit(self.path).path
            _send(self, server, server.answer(Seen(self.command, path, query, dict(self.headers), self.path)))

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    return http


def _send(handler: BaseHTTPRequestHandler, server: FhirServer, answer: Answer) -> None:
    handler.send_response_only(answer.status)
    if not server.without_date:
        handler.send_header("Date", format_datetime(server.clock, usegmt=True))
    for name, value in answer.headers.items():
        handler.send_header(name, value)
    body = answer.body
    if answer.framing in {"length", "long"}:
        handler.send_header("Content-Length", str(len(body) + (10 if answer.framing == "long" else 0)))
    if answer.framing == "chunk":
        handler.send_header("Transfer-Encoding", "chunked")
        body = f"{len(body):x}\r\n".encode() + body + b"\r\n"
    if answer.framing != "length":
        handler.close_connection = True
        handler.send_header("Connection", "close")
    handler.end_headers()
    handler.wfile.write(body)
