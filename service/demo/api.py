"""The FHIR interactions of a demo server, apart from HTTP: a request in, a status and a resource out.

Reference: https://hl7.org/fhir/R4/http.html: read, update with client-chosen ids, delete, search,
capabilities.
"""

import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qsl

import simplejson

from service.demo import export
from service.demo.capability import capability_statement
from service.demo.export import Exports
from service.demo.fhir import Resource
from service.demo.pages import Habits, Pager
from service.demo.refused import Refused
from service.demo.search import PARAMETERS, Dialect, Pairs
from service.demo.store import ResourceStore, Stored

Clock = Callable[[], datetime]

ROOT = "/fhir"
FORM = "application/x-www-form-urlencoded"
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `headers` by lower-case name, `path` and `query` as sent."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: a resource, the lines of an NDJSON file, or an empty body."""

    status: int
    resource: Resource | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    lines: bytes | None = None


class FhirApi:
    """One FHIR server's behavior over its store; safe to use from several threads.

    With a `token` it answers only who shows it as a bearer token; its CapabilityStatement is for all.
    """

    def __init__(
        self, fhir_version: str, base_url: str, clock: Clock, habits: Habits, token: str | None = None
    ) -> None:
        self.store = ResourceStore()
        self._token = token
        self._fhir_version = fhir_version
        self._base_url = base_url
        self._clock = clock
        self._pager = Pager(base_url, habits)
        self._exports = Exports(fhir_version, base_url, self.store, habits)

    def load(self, resources: Iterable[Resource], last_updated: datetime) -> None:
        """Store resources as if they had been written at that time."""
        self.store.load(resources, last_updated)

    def answer(self, request: Request) -> Reply:
        """The answer to a request; what is refused is an OperationOutcome."""
        try:
            return self._route(request)
        except Refused as refused:
            return Reply(refused.status, refused.outcome)

    def _route(self, request: Request) -> Reply:
        steps = request.path.removeprefix(ROOT).strip("/").split("/")
        if self._token is not None and steps != ["metadata"] and not _shows(request, self._token):
            raise Refused(401, "login", "This server demands a bearer token, and this is not its token.")
        if any(step.startswith("$export") for step in steps):
            return _exported(self._of_export(request, steps))
        if not f"{request.path}/".startswith(f"{ROOT}/") or len(steps) > 2:
            raise Refused(404, "not-found", "There is nothing at this address.")
        match request.method, steps:
            case "GET", ["metadata"]:
                return Reply(200, capability_statement(self._fhir_version, self._base_url, self._clock()))
            case (("GET" | "POST"), [""]):
                return Reply(200, self._pager.further(dict(_pairs(request)).get("_page", "")))
            case "GET", [resource_type]:
                return self._search(self._known(resource_type), request)
            case "POST", [resource_type, "_search"]:
                return self._search(self._known(resource_type), request)
            case _, [resource_type, resource_id]:
                return self._of_instance(request, self._known(resource_type), resource_id)
        raise Refused(405, "not-supported", "This interaction is not supported here.")

    def _of_export(self, request: Request, steps: list[str]) -> export.Answer:
        match request.method, steps:
            case (("GET" | "POST"), ["Patient", "$export"] | ["Group", export.GROUP, "$export"]):
                return self._kick_off("/".join(steps), request)
            case "GET", [export.STATUS, token]:
                return self._exports.status(token, self._clock())
            case "DELETE", [export.STATUS, token]:
                return self._exports.delete(token, self._clock())
            case "GET", [export.FILE, token, name]:
                return self._exports.file(token, name, self._clock())
        raise Refused(404, "not-found", "There is no such export here.")

    def _kick_off(self, operation: str, request: Request) -> export.Answer:
        if "respond-async" not in request.headers.get("prefer", ""):
            raise Refused(400, "invalid", "An export is asked for with Prefer: respond-async.")
        pairs: Pairs = parse_qsl(request.query, keep_blank_values=True)
        if request.method == "POST":
            pairs = [*pairs, *_posted(_parsed(request.body))]
        return self._exports.kick_off(operation, pairs, self._clock())

    def _of_instance(self, request: Request, resource_type: str, resource_id: str) -> Reply:
        match request.method:
            case "GET":
                return self._read(resource_type, resource_id)
            case "PUT":
                return self._update(resource_type, resource_id, request.body)
            case "DELETE":
                return self._delete(resource_type, resource_id)
        raise Refused(405, "not-supported", "This interaction is not supported here.")

    def _known(self, resource_type: str) -> str:
        if resource_type not in PARAMETERS[self._fhir_version]:
            raise Refused(404, "not-supported", "This resource type is not held here.")
        return resource_type

    def _search(self, resource_type: str, request: Request) -> Reply:
        dialect = Dialect(self._fhir_version, self._base_url, is_strict=_is_strict(request))
        search = dialect.parse(resource_type, _pairs(request))
        found = tuple(filter(search.matches, self.store.current(resource_type)))
        return Reply(200, self._pager.first(search, found))

    def _read(self, resource_type: str, resource_id: str) -> Reply:
        stored = self.store.find(resource_type, resource_id)
        if stored is None:
            raise Refused(404, "not-found", "There is no resource with this id.")
        if stored.resource is None:
            raise Refused(410, "deleted", "The resource with this id was deleted.")
        return Reply(200, stored.resource, _version(stored))

    def _update(self, resource_type: str, resource_id: str, body: bytes) -> Reply:
        resource = _parsed(body)
        if not _ID.fullmatch(resource_id):
            raise Refused(400, "value", "The id in the address is not a FHIR id.")
        if (resource.get("resourceType"), resource.get("id")) != (resource_type, resource_id):
            raise Refused(400, "invalid", "Type or id of the resource differ from the address.")
        known = self.store.find(resource_type, resource_id)
        stored = self.store.put(resource, self._clock())
        address = f"{self._base_url}/{resource_type}/{resource_id}/_history/{stored.version}"
        is_new = known is None or known.resource is None
        return Reply(201 if is_new else 200, stored.resource, {**_version(stored), "Location": address})

    def _delete(self, resource_type: str, resource_id: str) -> Reply:
        if not self.store.delete(resource_type, resource_id, self._clock()):
            raise Refused(404, "not-found", "There is no resource with this id.")
        return Reply(204)


def _shows(request: Request, token: str) -> bool:
    told = request.headers.get("authorization", "")
    return hmac.compare_digest(told.encode(), f"Bearer {token}".encode())


def _is_strict(request: Request) -> bool:
    preferences = re.split(r"[,;]\s*", request.headers.get("prefer", ""))
    return "handling=strict" in preferences


def _pairs(request: Request) -> Pairs:
    """Parameters of the address, then those of a form; raises Refused for a form in another shape."""
    pairs = parse_qsl(request.query, keep_blank_values=True)
    if request.method != "POST" or not request.body:
        return pairs
    if request.headers.get("content-type", "").partition(";")[0].strip() != FORM:
        raise Refused(415, "not-supported", f"A search is posted as {FORM}.")
    try:
        form = request.body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(400, "invalid", "The form is not UTF-8.") from error
    return pairs + parse_qsl(form, keep_blank_values=True)


def _parsed(body: bytes) -> Resource:
    try:
        resource = simplejson.loads(body, use_decimal=True)
    except ValueError as error:  # also bytes that are not UTF-8
        raise Refused(400, "structure", "The body is not JSON.") from error
    meta = resource.get("meta", {}) if isinstance(resource, dict) else None
    if not isinstance(resource, dict) or not isinstance(meta, dict):
        raise Refused(400, "structure", "The body is not a resource.")
    return resource


def _posted(parameters: Resource) -> Pairs:
    """The parameters of a posted Parameters resource, each as name and text."""
    listed = parameters.get("parameter", []) if parameters.get("resourceType") == "Parameters" else None
    if not isinstance(listed, list):
        raise Refused(400, "structure", "The body is not a Parameters resource.")
    return [(str(each.get("name")), _text(each)) for each in listed if isinstance(each, dict)]


def _text(parameter: Mapping[str, object]) -> str:
    values = [value for name, value in parameter.items() if name.startswith("value")]
    value = values[0] if values else ""
    return str(value.get("reference", "") if isinstance(value, dict) else value)


def _exported(answer: export.Answer) -> Reply:
    return Reply(answer.status, answer.manifest, answer.headers, answer.content)


def _version(stored: Stored) -> dict[str, str]:
    return {"ETag": f'W/"{stored.version}"'}
