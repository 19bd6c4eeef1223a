"""A Bulk Data server on loopback: kick-off, status, manifest, files, and faults that count their firing."""

import datetime as dt
import gzip
import json
import threading
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
NDJSON = "application/fhir+ndjson"


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes

    @property
    def kind(self) -> str:
        """kick-off, status, file, read or delete."""
        if self.path.endswith("$export"):
            return "kick-off"
        if "/files/" in self.path:
            return "file"
        if "/status/" not in self.path:
            return "read"
        return "delete" if self.method == "DELETE" else "status"

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """What a kick-off asks for, by GET or POST."""
        if self.method == "GET":
            return [(name, value) for name, values in self.query.items() for value in values]
        listed = json.loads(self.body)["parameter"]
        return [(each["name"], _text(each)) for each in listed]

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.parameters if key == name]


@dataclass(frozen=True)
class Answer:
    """One response before it is sent; `framing`: length, close (no length), long (more told than sent)."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    framing: str = "length"

    def with_headers(self, **headers: str) -> "Answer":
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        return replace(self, headers={**self.headers, **told})

    def edited(self, change: Callable[[Resource], object]) -> "Answer":
        """The same JSON after `change`."""
        document = json.loads(self.body)
        change(document)
        return replace(self, body=json.dumps(document).encode())


@dataclass
class Fault:
    """Changes the answers to the first `times` requests that match `when`."""

    when: Callable[[Asked], bool]
    change: Callable[[Answer], Answer]
    times: int = 1
    fired: int = 0


@dataclass(frozen=True)
class _Job:
    files: Mapping[str, bytes]
    manifest: Resource


class BulkServer:
    """An in-memory server with $export; a job is ready at its second question.

    `clock` is its own time. `lacks` names parameters that it refuses. `token` is asked of every request but
    for files, unless the manifest says that these need it as well. `hidden` are ids that exports leave out;
    `refuses_reads` is the status of every answer to a read.
    """

    def __init__(self, resources: Iterable[Resource] = ()) -> None:
        self.clock = START
        self.seen: list[Asked] = []
        self.faults: list[Fault] = []
        self.lacks: set[str] = set()
        self.deleted: list[str] = []
        self.errors: list[Resource] = []
        self.hidden: set[str] = set()
        self.refuses_reads: int | None = None
        self.lines_a_file = 1000
        self.token: str | None = None
        self.files_need_token = False
        self.files_url = ""
        self.base_url = ""
        self._store: dict[tuple[str, str], Resource] = {}
        self._jobs: dict[str, _Job] = {}
        self._questions: dict[str, int] = {}
        self._taken = 0
        self._lock = threading.Lock()
        self.put(*resources)

    def put(self, *resources: Resource) -> None:
        for resource in resources:
            key = (resource["resourceType"], resource["id"])
            version = int(self._store[key]["meta"]["versionId"]) + 1 if key in self._store else 1
            stamp = self.clock.strftime("%Y-%m-%dT%H:%M:%S.000Z")
            self._store[key] = resource | {"meta": {"versionId": str(version), "lastUpdated": stamp}}

    def remove(self, resource_type: str, resource_id: str) -> None:
        """Delete a resource; no manifest will tell."""
        del self._store[resource_type, resource_id]

    def versions(self) -> dict[tuple[str, str], str]:
        """The version of each resource, by type and id."""
        return {key: resource["meta"]["versionId"] for key, resource in self._store.items()}

    def reads(self) -> list[str]:
        """What was asked for by id."""
        return ["/".join(asked.path.split("/")[2:]) for asked in self.of("read")]

    def add(self, fault: Fault) -> Fault:
        self.faults.append(fault)
        return fault

    def of(self, kind: str) -> list[Asked]:
        return [asked for asked in self.seen if asked.kind == kind]

    def forget(self) -> None:
        """Forget every job, as after their lifetime."""
        self._jobs.clear()

    def answer(self, asked: Asked) -> Answer:
        with self._lock:
            self.seen.append(asked)
            answer = self._answer(asked)
            for fault in self.faults:
                if fault.fired < fault.times and fault.when(asked):
                    fault.fired += 1
                    answer = fault.change(answer)
            return answer

    def _answer(self, asked: Asked) -> Answer:
        needs_token = self.token is not None and (asked.kind != "file" or self.files_need_token)
        if needs_token and asked.headers.get("Authorization") != f"Bearer {self.token}":
            return outcome(401, "login")
        if asked.kind == "kick-off":
            return self._kick_off(asked)
        if asked.kind == "read":
            return self._read(asked)
        job_id = asked.path.split("/")[3]
        if job_id not in self._jobs:
            return outcome(404, "not-found")
        return self._about_job(asked, job_id)

    def _read(self, asked: Asked) -> Answer:
        if self.refuses_reads is not None:
            return Answer(self.refuses_reads)
        _, _, resource_type, resource_id = asked.path.split("/")
        found = self._store.get((resource_type, resource_id))
        if found is None:
            return outcome(404, "not-found")
        return Answer(200, json.dumps(found).encode(), {"Content-Type": "application/fhir+json"})

    def _about_job(self, asked: Asked, job_id: str) -> Answer:
        job = self._jobs[job_id]
        if asked.kind == "file":
            return Answer(200, job.files[asked.path.split("/")[4]], {"Content-Type": NDJSON})
        if asked.kind == "delete":
            del self._jobs[job_id]
            return Answer(202)
        self._questions[job_id] = self._questions.get(job_id, 0) + 1
        if self._questions[job_id] < 2:
            return Answer(202, b"working", {"X-Progress": "working"})
        return Answer(200, json.dumps(job.manifest).encode(), {"Content-Type": "application/json"})

    def _kick_off(self, asked: Asked) -> Answer:
        told = {name for name, _ in asked.parameters}
        if asked.headers.get("Prefer") != "respond-async":
            return outcome(400, "invalid")
        if told & self.lacks:
            return outcome(400, "not-supported")
        self._taken += 1
        job_id = f"j{self._taken}"
        self._jobs[job_id] = self._job(job_id, asked)
        return Answer(202, headers={"Content-Location": f"{self.base_url}/status/{job_id}"})

    def _job(self, job_id: str, asked: Asked) -> _Job:
        files: dict[str, bytes] = {}
        listed: dict[str, list[Resource]] = {"output": [], "deleted": [], "error": []}

        def add(kind: str, name: str, resources: list[Resource]) -> None:
            for start in range(0, len(resources), self.lines_a_file):
                part = resources[start : start + self.lines_a_file]
                key = f"f{len(files)}"
                files[key] = lines(part)
                url = f"{self.files_url or self.base_url}/files/{job_id}/{key}"
                listed[kind].append({"type": name, "url": url, "count": len(part)})

        for name in asked.values("_type")[0].split(","):
            held = [each for each in self._store.values() if each["id"] not in self.hidden]
            add("output", name, [each for each in held if _is_asked(each, name, asked)])
        add("deleted", "Bundle", [deletion(*self.deleted)] if self.deleted else [])
        add("error", "OperationOutcome", self.errors)
        manifest = {
            "transactionTime": self.clock.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "request": "CANARY-request",
            "requiresAccessToken": self.files_need_token,
            **listed,
        }
        return _Job(files, manifest)


def _is_asked(resource: Resource, name: str, asked: Asked) -> bool:
    if resource["resourceType"] != name:
        return False
    since, patients = asked.values("_since"), asked.values("patient")
    if since and resource["meta"]["lastUpdated"] < since[0]:
        return False
    own = resource.get("subject") or resource.get("patient") or {"reference": f"Patient/{resource['id']}"}
    return not patients or own["reference"] in patients


def _text(parameter: Resource) -> str:
    (value,) = [value for name, value in parameter.items() if name.startswith("value")]
    text: str = value["reference"] if isinstance(value, dict) else value
    return text


def lines(resources: Iterable[Resource]) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in resources)


def deletion(*addresses: str) -> Resource:
    entries = [{"request": {"method": "DELETE", "url": each}} for each in addresses]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def issue(severity: str, code: str) -> Resource:
    told = {"severity": severity, "code": code, "diagnostics": "CANARY-diagnostics"}
    return {"resourceType": "OperationOutcome", "issue": [told]}


def outcome(status: int, code: str) -> Answer:
    return Answer(status, json.dumps(issue("error", code)).encode())


def zipped(answer: Answer) -> Answer:
    return replace(answer, body=gzip.compress(answer.body)).with_headers(Content_Encoding="gzip")


def about(kind: str) -> Callable[[Asked], bool]:
    """Requests of a kind."""
    return lambda asked: asked.kind == kind


@contextmanager
def serving(server: BulkServer) -> Iterator[BulkServer]:
    """Serve on a free loopback port while the block runs."""
    with running(_http_server(server)) as server.base_url:
        yield server


def _http_server(server: BulkServer) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            parts = urlsplit(self.path)
            asked = Asked(self.command, parts.path, parse_qs(parts.query), dict(self.headers), body)
            _send(self, server, server.answer(asked))

        do_GET = do_POST = do_DELETE = _serve  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    return http


def _send(handler: BaseHTTPRequestHandler, server: BulkServer, answer: Answer) -> None:
    handler.send_response_only(answer.status)
    if "Date" not in answer.headers:
        handler.send_header("Date", format_datetime(server.clock, usegmt=True))
    for name, value in answer.headers.items():
        handler.send_header(name, value)
    if answer.framing == "close":
        handler.close_connection = True
        handler.send_header("Connection", "close")
    else:
        extra = 10 if answer.framing == "long" else 0
        handler.send_header("Content-Length", str(len(answer.body) + extra))
        handler.close_connection = bool(extra)
    handler.end_headers()
    handler.wfile.write(answer.body)
