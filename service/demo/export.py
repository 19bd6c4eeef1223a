"""Bulk Data export of a demo server: kick-off, status, manifest, NDJSON files, deletions, expiry.

https://hl7.org/fhir/uv/bulkdata/export.html. An export is a snapshot taken at the kick-off. As on large
servers it is not ready at the first question, a type comes in several files, resources that searches
repeat come twice, and warnings lie in an error file. Exports are kept for two hours, or until deleted.
"""

import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import parse_qsl

import simplejson

from service.demo.fhir import Resource
from service.demo.pages import Habits
from service.demo.refused import Refused
from service.demo.search import PARAMETERS, Dialect, Pairs, Search
from service.demo.store import ResourceStore, instant

GROUP = "all"  # the one Group: every patient of the center
KEPT = timedelta(hours=2)
LINES_A_FILE = 300
QUESTIONS_BEFORE_READY = 1
STATUS, FILE = "$export-status", "$export-file"
_PARAMETERS = frozenset({"_outputFormat", "_type", "_since", "_typeFilter", "patient"})
_FORMATS = frozenset({"application/fhir+ndjson", "application/ndjson", "ndjson"})


@dataclass(slots=True)
class _Export:
    """One export: its manifest without addresses, and its files by kind ('output', 'deleted', 'error')."""

    taken_at: datetime
    request_url: str
    files: Mapping[str, Sequence[tuple[str, bytes, int]]]  # type, content, resources
    questions: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered: a manifest, a file's content, or nothing but a status with headers."""

    status: int
    manifest: Resource | None = None
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Exports:
    """The exports of one server; safe to use from several threads."""

    def __init__(self, fhir_version: str, base_url: str, store: ResourceStore, habits: Habits) -> None:
        self._fhir_version = fhir_version
        self._base_url = base_url
        self._store = store
        self._habits = habits
        self._exports: dict[str, _Export] = {}
        self._lock = threading.Lock()

    def kick_off(self, operation: str, pairs: Pairs, now: datetime) -> Answer:
        """Begin an export; raises Refused for parameters that are not understood."""
        asked = _Asked.of(pairs, self._fhir_version, self._base_url)
        token = secrets.token_urlsafe(12)
        export = _Export(now, f"{self._base_url}/{operation}", self._files(asked))
        with self._lock:
            self._forget_expired(now)
            self._exports[token] = export
        return Answer(202, headers={"Content-Location": f"{self._base_url}/{STATUS}/{token}"})

    def status(self, token: str, now: datetime) -> Answer:
        """How far an export is; raises Refused with 404 once it is forgotten."""
        export = self._find(token, now)
        with self._lock:
            export.questions += 1
            is_ready = export.questions > QUESTIONS_BEFORE_READY
        if not is_ready:
            return Answer(202, headers={"Retry-After": "1", "X-Progress": "taking resources"})
        headers = {"Expires": format_datetime(export.taken_at + KEPT, usegmt=True)}
        return Answer(200, manifest=self._manifest(token, export), headers=headers)

    def file(self, token: str, name: str, now: datetime) -> Answer:
        """One file by the name the manifest gives it; raises Refused with 404."""
        kind, _, number = name.partition(".")
        files = self._find(token, now).files.get(kind, ())
        if not number.isdecimal() or int(number) >= len(files):
            raise Refused(404, "not-found", "There is no such file.")
        return Answer(200, content=files[int(number)][1])

    def delete(self, token: str, now: datetime) -> Answer:
        """Forget an export; raises Refused with 404 when it is forgotten already."""
        self._find(token, now)
        with self._lock:
            self._exports.pop(token, None)
        return Answer(202)

    def _find(self, token: str, now: datetime) -> _Export:
        with self._lock:
            self._forget_expired(now)
            export = self._exports.get(token)
        if export is None:
            raise Refused(404, "not-found", "This export is not held, or not any more.")
        return export

    def _forget_expired(self, now: datetime) -> None:
        for token in [key for key, each in self._exports.items() if each.taken_at + KEPT < now]:
            del self._exports[token]

    def _manifest(self, token: str, export: _Export) -> Resource:
        def listed(kind: str) -> list[Resource]:
            address = f"{self._base_url}/{FILE}/{token}/{kind}"
            return [
                {"type": resource_type, "url": f"{address}.{number}", "count": count}
                for number, (resource_type, _, count) in enumerate(export.files[kind])
            ]

        return {
            "transactionTime": instant(export.taken_at),
            "request": export.request_url,
            "requiresAccessToken": False,
            "output": listed("output"),
            "deleted": listed("deleted"),
            "error": listed("error"),
        }

    def _files(self, asked: "_Asked") -> dict[str, list[tuple[str, bytes, int]]]:
        output = [
            (name, content, count)
            for name in asked.types
            for content, count in _cut(self._lines(asked, name))
        ]
        deleted = [("Bundle", content, count) for content, count in _cut(self._deletions(asked))]
        warned = [self._habits.warnings[name] for name in asked.types if name in self._habits.warnings]
        errors = [("OperationOutcome", content, count) for content, count in _cut(iter(warned))]
        return {"output": output, "deleted": deleted, "error": errors}

    def _lines(self, asked: "_Asked", name: str) -> Iterator[Resource]:
        """A type's resources in the compartments of patients that are here."""
        patients = {each["id"] for each in self._store.current("Patient")}
        for resource in self._store.current(name):
            patient_id = _patient_of(resource)
            if patient_id in patients and asked.admits(resource, patient_id):
                address = f"{name}/{resource['id']}"
                yield from [resource] * (2 if address in self._habits.repeats else 1)

    def _deletions(self, asked: "_Asked") -> Iterator[Resource]:
        if asked.since is None:
            return
        for name in asked.types:
            for resource_id in self._store.deleted_since(name, asked.since):
                entry = {"request": {"method": "DELETE", "url": f"{name}/{resource_id}"}}
                yield {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}


@dataclass(frozen=True, slots=True)
class _Asked:
    """A kick-off's parameters: no patients is all of them, no filters is every resource."""

    types: tuple[str, ...]
    since: datetime | None
    patients: frozenset[str]
    filters: tuple[Search, ...]

    @staticmethod
    def of(pairs: Pairs, fhir_version: str, base_url: str) -> "_Asked":
        """The parameters as asked; raises Refused."""
        unknown = sorted({name for name, _ in pairs} - _PARAMETERS)
        formats = {value for name, value in pairs if name == "_outputFormat"}
        if unknown or not formats <= _FORMATS:
            raise Refused(400, "not-supported", "The export has parameters that are not supported here.")
        known = PARAMETERS[fhir_version]
        types = [each for name, value in pairs if name == "_type" for each in value.split(",")]
        if not set(types) <= set(known):
            raise Refused(400, "not-supported", "A type of _type is not held here.")
        dialect = Dialect(fhir_version, base_url, is_strict=True)
        return _Asked(
            types=tuple(types or known),
            since=_moment([value for name, value in pairs if name == "_since"]),
            patients=frozenset(value.rpartition("/")[2] for name, value in pairs if name == "patient"),
            filters=tuple(_filter(dialect, value) for name, value in pairs if name == "_typeFilter"),
        )

    def admits(self, resource: Resource, patient_id: str | None) -> bool:
        """Whether a resource belongs to the export."""
        filters = [each for each in self.filters if each.resource_type == resource["resourceType"]]
        updated = datetime.fromisoformat(resource["meta"]["lastUpdated"])
        return (
            (not self.patients or patient_id in self.patients)
            and (self.since is None or updated >= self.since)
            and (not filters or any(each.matches(resource) for each in filters))
        )


def _filter(dialect: Dialect, text: str) -> Search:
    resource_type, _, query = text.partition("?")
    if resource_type not in PARAMETERS[dialect.fhir_version]:
        raise Refused(400, "not-supported", "A _typeFilter is for a type that is not held here.")
    return dialect.parse(resource_type, parse_qsl(query, keep_blank_values=True))


def _moment(values: Sequence[str]) -> datetime | None:
    if not values:
        return None
    try:
        return datetime.fromisoformat(values[-1]).astimezone(UTC)
    except ValueError as error:
        raise Refused(400, "value", "_since is not an instant.") from error


def _patient_of(resource: Resource) -> str | None:
    """The id of the patient in whose compartment a resource is, None for an invalid one without."""
    if resource["resourceType"] == "Patient":
        own: str = resource["id"]
        return own
    element = resource.get("patient" if resource["resourceType"] == "BodyStructure" else "subject")
    reference = element.get("reference") if isinstance(element, dict) else None
    return str(reference).removeprefix("Patient/") if reference else None


def _cut(resources: Iterator[Resource]) -> Iterator[tuple[bytes, int]]:
    """The content of the files that hold these resources, and how many each holds."""
    lines = [simplejson.dumps(each, use_decimal=True).encode() + b"\n" for each in resources]
    for start in range(0, len(lines), LINES_A_FILE):
        part = lines[start : start + LINES_A_FILE]
        yield b"".join(part), len(part)
