"""NDJSON files on this machine as pages of what a task asks for, and what the files lack.

Lines end at byte 0x0A only: strings may hold U+2028 and U+0085, at which Python's splitlines would cut.
What the study did not ask for is dropped as soon as it is decoded. A line that cannot be read is a loss, as
is a file that holds other numbers than its manifest says or whose end nobody vouches for: the pages then end
in IncompleteError, so that what was read is kept and read again.
"""

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ingest.decode import JsonObject, decode_object
from ingest.outcome import OutcomeIssue, issues_of
from ingest.plan import Task
from ingest.search import Page
from ingest.stream import BrokenStreamError, Caps, EncodingError, OversizeError, decoded
from mappings.errors import IncompleteError

PAGE_RESOURCES = 500
MAX_LINE = 32 * 1024 * 1024
CAPS = Caps(wire=64 * 1024**3, decoded=64 * 1024**3)
_STEP = 256 * 1024
_GZIP = b"\x1f\x8b"
_TYPE = re.compile(rb'"resourceType"\s*:\s*"([A-Za-z]{1,64})"')


@dataclass(frozen=True, slots=True)
class DataFile:
    """One NDJSON file, plain or gzip: the types in it, and how many resources its manifest says it holds.

    `is_ended`: how it came vouches for its end (a told length, chunks).
    """

    path: Path
    types: frozenset[str]
    count: int | None = None
    is_ended: bool = False


@dataclass(slots=True)
class _Found:
    """What one file turned out to hold: lines, those that are no resource, and how it ended."""

    lines: int = 0
    unreadable: int = 0
    has_last_newline: bool = False
    has_end_mark: bool = False
    is_cut: bool = False

    def is_whole(self, file: DataFile) -> bool:
        """Whether everything that was sent was read."""
        if self.is_cut or self.unreadable:
            return False
        if file.count is not None:
            return self.lines == file.count
        return file.is_ended or self.has_end_mark or self.has_last_newline


@dataclass(slots=True)
class _Page:
    """A page being filled."""

    resources: list[JsonObject] = field(default_factory=list)
    issues: list[OutcomeIssue] = field(default_factory=list)

    def finish(self, server_time: dt.datetime | None) -> Page:
        """The page; this one is empty afterwards."""
        page = Page(tuple(self.resources), tuple(self.issues), 0, 0, server_time)
        self.resources, self.issues = [], []
        return page


def pages(
    files: Sequence[DataFile], task: Task, base_url: str, server_time: dt.datetime | None
) -> Iterator[Page]:
    """What the task asks for in the files, at least one page; `server_time` is when they were true.

    Raises IncompleteError at the end when a file is not whole.
    """
    name, filling, broken = task.ask.resource_type.name, _Page(), 0
    chosen = [file for file in files if name in file.types]
    for file in chosen:
        found = _Found()
        for resource in _resources(file, found):
            filling.issues += issues_of(resource)
            if resource.get("resourceType") == name and task.query.admits(resource, base_url):
                filling.resources.append(resource)
            if len(filling.resources) >= PAGE_RESOURCES:
                yield filling.finish(server_time)
        broken += not found.is_whole(file)
    yield filling.finish(server_time)
    if broken:
        raise IncompleteError(
            f"{broken} of {len(chosen)} files of {name} are not whole: they are cut short, hold another "
            "number of resources than their manifest says, or lines that are not resources.",
            "ask the center for them again; what could be read is kept.",
        )


def outcomes(files: Iterable[DataFile]) -> frozenset[OutcomeIssue]:
    """What files of OperationOutcomes report; a file that is not whole counts as an error of its own."""
    found: set[OutcomeIssue] = set()
    for file in files:
        state = _Found()
        for resource in _resources(file, state):
            found.update(issues_of(resource))
        if not state.is_whole(file):
            found.add(OutcomeIssue("error", "incomplete"))
    return frozenset(found)


def whole_objects(file: DataFile) -> list[JsonObject] | None:
    """Every resource of a small file; None when it is not whole."""
    state = _Found()
    found = list(_resources(file, state))
    return found if state.is_whole(file) else None


def types_in(path: Path) -> frozenset[str]:
    """Every resource type named anywhere in a file: those of its resources, and of what these contain.

    Names of files and manifests are not trusted for this; nothing is decoded yet.
    """
    found: set[bytes] = set()
    for line, _ in _lines(_pieces(path, _Found())):
        found.update(_TYPE.findall(line or b""))
    return frozenset(each.decode("ascii") for each in found)


def _resources(file: DataFile, found: _Found) -> Iterator[JsonObject]:
    """The resources of a file; `found` counts along."""
    for line, is_ended in _lines(_pieces(file.path, found)):
        if line is not None and not line.strip():
            continue
        found.lines += 1
        found.has_last_newline = is_ended
        resource = _decoded(line)
        if resource is None:
            found.unreadable += 1
            continue
        yield resource


def _decoded(line: bytes | None) -> JsonObject | None:
    """The resource in a line; None for anything else, also for a line too long to be read."""
    if line is None:
        return None
    try:
        resource = decode_object(line)
    except ValueError:
        return None
    return resource if isinstance(resource.get("resourceType"), str) else None


def _pieces(path: Path, found: _Found) -> Iterator[bytes]:
    """The decoded content of a file, as far as it can be read."""
    try:
        with path.open("rb") as file:
            is_gzip = file.read(len(_GZIP)) == _GZIP
            file.seek(0)
            yield from decoded(iter(lambda: file.read(_STEP), b""), "gzip" if is_gzip else "", CAPS)
            found.has_end_mark = is_gzip
    except (BrokenStreamError, OversizeError, EncodingError, OSError):
        found.is_cut = True


def _lines(pieces: Iterable[bytes]) -> Iterator[tuple[bytes | None, bool]]:
    """Each line, and whether a newline ends it; None stands for a line longer than MAX_LINE."""
    rest, is_oversize = bytearray(), False
    for piece in pieces:
        *whole, tail = piece.split(b"\n")
        for part in whole:
            line = None if is_oversize or len(rest) + len(part) > MAX_LINE else bytes(rest + part)
            yield line, True
            rest, is_oversize = bytearray(), False
        if len(rest) + len(tail) > MAX_LINE:
            rest, is_oversize = bytearray(), True
        elif not is_oversize:
            rest += tail
    if rest or is_oversize:
        yield (None if is_oversize else bytes(rest)), False
