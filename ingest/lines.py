"""Lines of NDJSON to what becomes of their resources: decoded where they are judged, by whichever process.

Most lines are decoded roughly, which is enough to tell what was not asked for and, of an ordinary resource
without fractions, everything. Whatever is not plain is decoded strictly and goes the long way.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ingest.accept import Accepted, Gate
from ingest.center import FhirVersion
from ingest.decode import JsonObject, collector_paused, decode_object, decode_roughly, has_long_number
from ingest.outcome import OutcomeIssue, issues_of
from ingest.plan import Task

MAX_LINE = 32 * 1024 * 1024
_ID = re.compile(rb'"id"\s*:\s*"([A-Za-z0-9.-]{1,64})"')


@dataclass(slots=True)
class AcceptedLines:
    """What became of some lines: how many there were, unreadable or asked for, and what servers reported."""

    accepted: Accepted
    lines: int = 0
    unreadable: int = 0
    received: int = 0
    issues: list[OutcomeIssue] = field(default_factory=list)


def accept_lines(
    body: bytes, task: Task, base_url: str, fhir_version: FhirVersion, known: Mapping[str, str]
) -> AcceptedLines:
    """Sort the resources in whole lines, of which the task chooses; what it does not is dropped unread."""
    gate = Gate(task, base_url, fhir_version, known)
    found = AcceptedLines(gate.accepted)
    with collector_paused():
        for line in body.split(b"\n"):
            if line and not line.isspace():
                found.lines += 1
                try:
                    _take(line, task, base_url, gate, found)
                except ValueError:
                    found.unreadable += 1
    return found


def ids_in(body: bytes) -> list[str]:
    """Whatever may be the id of a resource in some lines, also of what these contain; sorted."""
    return sorted({each.decode("ascii") for each in _ID.findall(body)})


def decoded_line(line: bytes) -> JsonObject:
    """The resource in a line; raises ValueError for anything else, also for a line too long to be read."""
    return _resource(decode_object(_bounded(line)))


def _take(line: bytes, task: Task, base_url: str, gate: Gate, found: AcceptedLines) -> None:
    """Raises ValueError where `decoded_line` does."""
    rough = decode_roughly(_bounded(line))
    resource = _resource(rough) if rough is not None else decoded_line(line)
    name = task.ask.resource_type.name
    if resource["resourceType"] != name or not task.query.admits(resource, base_url):
        if rough is not None and has_long_number(line):
            decoded_line(line)
        found.issues += issues_of(resource)
        return
    if rough is None or not gate.take_ordinary(rough, line):
        gate.take(resource if rough is None else decoded_line(line))
    found.received += 1


def _bounded(line: bytes) -> bytes:
    if len(line) > MAX_LINE:
        raise ValueError("the line is too long")
    return line


def _resource(value: JsonObject) -> JsonObject:
    if not isinstance(value.get("resourceType"), str):
        raise ValueError("not a resource")  # noqa: TRY004 -- the value is wrong, not the call
    return value
