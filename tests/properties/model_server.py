"""A FHIR server on loopback over a ModelStore: live offset paging, events in the middle of a walk, faults.

The next link holds an offset into a search that is made anew for every page, as many servers have it
(hapifhir/hapi-fhir#3608): what is written between two pages shifts the rows. Faults and events count that
they happened.
"""

import datetime as dt
import json
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.ingest.http_serving import running
from tests.properties.made_resources import Resource, coding_of, patient_of
from tests.properties.model_store import ModelStore, Version

FaultKind = Literal[
    "500", "503", "401", "403", "404", "410", "429", "html", "cut", "close", "reset", "loss", "lost entry",
    "unfiltered", "no date", "custom",
]  # fmt: skip
KNOWN = {"code", "subject", "patient", "_id", "_lastUpdated", "_count", "_elements", "_offset"}
FHIR_JSON = "application/fhir+json"


@dataclass(frozen=True)
class Request:
    """One request as it arrived; `target` is the path and query of its URL."""

    method: str
    target: str
    resource_type: str
    resource_id: str | None
    form: Mapping[str, str]
    headers: Mapping[str, str]

    @property
    def is_next(self) -> bool:
        return "_offset" in self.form


@dataclass
class Fault:
    """Spoils the answers to the requests that `when` names, `times` at most; `change` is the custom kind."""

    kind: FaultKind
    when: Callable[[Request, int], bool]
    times: int = 1
    fired: int = 0
    change: "Callable[[Sent], Sent] | None" = None


@dataclass
class Event:
    """Something that happens on the server just before it answers the `nth` search of a type."""

    resource_type: str
    nth: int
    happen: Callable[[], None]
    fired: int = 0


@dataclass
class Sent:
    """An answer under way: None as body means that nothing at all is sent."""

    status: int
    body: bytes | None
    media_type: str = FHIR_JSON
    announced: int | None = None  # Content-Length, when it is not the body's
    has_date: bool = True
    is_reset: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class ModelServer:
    """One center's FHIR server; `arm` begins a night."""

    store: ModelStore
    base_url: str = ""
    faults: list[Fault] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def arm(self, faults: list[Fault] | None = None, events: list[Event] | None = None) -> None:
        """Forget the last night; these faults and events belong to the next one."""
        with self._lock:
            self.faults, self.events, self.requests = faults or [], events or [], []

    def answer(self, request: Request) -> Sent:
        """What the server sends; requests are numbered from 1 in each night."""
        with self._lock:
            self.requests.append(request)
            self._let_events_happen(request)
            fault = self._fault(request)
            sent = self._read(request) if request.resource_id else self._search(request, fault)
            return sent if fault is None else spoil(sent, fault)

    def _let_events_happen(self, request: Request) -> None:
        nth = sum(1 for each in self.requests if each.resource_type == request.resource_type)
        for event in self.events:
            if not event.fired and (event.resource_type, event.nth) == (request.resource_type, nth):
                event.fired += 1
                event.happen()

    def _fault(self, request: Request) -> Fault | None:
        for fault in self.faults:
            if fault.fired < fault.times and fault.when(request, len(self.requests)):
                fault.fired += 1
                return fault
        return None

    def _read(self, request: Request) -> Sent:
        key = (request.resource_type, request.resource_id or "")
        if key in self.store.current:
            return Sent(200, json.dumps(self.store.current[key].resource).encode())
        return outcome(410 if key in self.store.deleted else 404, "not-found")

    def _search(self, request: Request, fault: Fault | None) -> Sent:
        form = dict(request.form)
        if set(form) - KNOWN and "handling=strict" in request.headers.get("prefer", ""):
            return outcome(400, "not-supported")
        of_type = [v for k, v in self.store.searchable().items() if k[0] == request.resource_type]
        if not (fault and fault.kind == "unfiltered"):
            of_type = [version for version in of_type if _matches(version, form)]
        offset, count = int(form.get("_offset", "0")), int(form.get("_count", "50"))
        return self._page(request.resource_type, form, self.store.in_order(of_type), (offset, count))

    def _page(
        self, resource_type: str, form: dict[str, str], found: list[Version], part: tuple[int, int]
    ) -> Sent:
        offset, count = part
        entries = [each.resource for each in found[offset : offset + count]]
        if form.get("_elements") == "id":
            entries = [{key: each[key] for key in ("resourceType", "id", "meta")} for each in entries]
        bundle: Resource = {
            "resourceType": "Bundle",
            "type": "searchset",
            "link": [],
            "entry": [{"resource": each, "search": {"mode": "match"}} for each in entries],
        }
        if offset + count < len(found):
            # The form travels in the link, as it does where the server keeps no state.
            url = f"{self.base_url}/{resource_type}?{urlencode(form | {'_offset': str(offset + count)})}"
            bundle["link"].append({"relation": "next", "url": url})
        return Sent(200, json.dumps(bundle).encode())


def _matches(version: Version, form: Mapping[str, str]) -> bool:
    content = version.content
    return all(
        (
            "code" not in form or "|".join(coding_of(content) or ()) in form["code"].split(","),
            "_id" not in form or content["id"] in form["_id"].split(","),
            all(
                f"Patient/{patient_of(content)}" in form[name].split(",")
                for name in ("subject", "patient")
                if name in form
            ),
            "_lastUpdated" not in form or _is_within(version.stamp, form["_lastUpdated"]),
        )
    )


def _is_within(stamp: dt.datetime, bound: str) -> bool:
    limit = dt.datetime.fromisoformat(bound[2:])
    # Servers compare what they print: milliseconds.
    told = stamp.replace(microsecond=stamp.microsecond // 1000 * 1000)
    return told >= limit if bound.startswith("ge") else told > limit


def outcome(status: int, code: str) -> Sent:
    """A failure as FHIR tells it."""
    issue = {"severity": "error", "code": code, "diagnostics": "told nobody"}
    return Sent(status, json.dumps({"resourceType": "OperationOutcome", "issue": [issue]}).encode())


def spoil(sent: Sent, fault: Fault) -> Sent:
    """The answer with the fault in it."""
    if fault.change is not None:
        return fault.change(sent)
    issue = {"severity": "error", "code": "suppressed"}
    lost = {"resource": {"resourceType": "OperationOutcome", "issue": [issue]}}
    whole = sent.body or b""
    changes: dict[str, Callable[[], Sent]] = {
        "html": lambda: Sent(200, b"<html>sign in</html>", "text/html"),
        "cut": lambda: Sent(sent.status, whole[:-20], announced=len(whole)),
        "close": lambda: Sent(0, None),
        "reset": lambda: Sent(0, None, is_reset=True),
        "loss": lambda: with_entry(sent, lost),
        "lost entry": lambda: with_entry(sent, {"fullUrl": "urn:uuid:0"}),
        "no date": lambda: replace(sent, has_date=False),
        "unfiltered": lambda: sent,  # the search itself was made without filters
    }
    change = changes.get(fault.kind)
    return change() if change else outcome(int(fault.kind), "exception")


def with_entry(sent: Sent, entry: Resource) -> Sent:
    """A searchset with this entry in place of its matches: they were left out."""
    bundle = json.loads(sent.body or b"{}")
    if bundle.get("resourceType") != "Bundle":
        return sent
    bundle["entry"] = [entry]
    return Sent(sent.status, json.dumps(bundle).encode())


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that are killed say no goodbye; any other error is ours."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


@contextmanager
def serving(server: ModelServer) -> Iterator[ModelServer]:
    """Serve on a free loopback port while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._answer("")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

        def _answer(self, posted: str) -> None:
            _send(self, server, server.answer(_request(self, posted)))

    with running(_Quiet(("127.0.0.1", 0), Handler)) as server.base_url:
        yield server


def _request(handler: BaseHTTPRequestHandler, posted: str) -> Request:
    url = urlsplit(handler.path)
    form = dict(parse_qsl(f"{url.query}&{posted}", keep_blank_values=True))
    resource_type, _, rest = url.path.removeprefix("/fhir/").partition("/")
    headers = {name.lower(): value for name, value in handler.headers.items()}
    resource_id = rest if rest and rest != "_search" else None
    return Request(handler.command, handler.path, resource_type, resource_id, form, headers)


def _send(handler: BaseHTTPRequestHandler, server: ModelServer, sent: Sent) -> None:
    if sent.body is None:
        handler.close_connection = True
        if sent.is_reset:
            _reset(handler)
        return
    handler.send_response_only(sent.status)
    if sent.has_date:
        handler.send_header("Date", format_datetime(server.store.clock, usegmt=True))
    handler.send_header("Content-Type", sent.media_type)
    handler.send_header("Content-Length", str(sent.announced or len(sent.body)))
    for name, value in sent.headers.items():
        handler.send_header(name, value)
    if sent.status == 429:
        handler.send_header("Retry-After", "0")
    if sent.announced is not None:
        handler.close_connection = True
    handler.end_headers()
    handler.wfile.write(sent.body)


def _reset(handler: BaseHTTPRequestHandler) -> None:
    """End the connection by RST instead of FIN."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
