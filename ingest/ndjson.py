"""NDJSON files on this machine as pages of what a task asks for, and what the files lack.

Lines end at byte 0x0A only: strings may hold U+2028 and U+0085, at which Python's splitlines would cut.
What the study did not ask for is dropped as soon as it is decoded. A line that cannot be read is a loss, as
is a file that holds other numbers than its manifest says or whose end nobody vouches for: the pages then end
in IncompleteError, so that what was read is kept and read again.
"""

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ingest.decode import JsonObject
from ingest.lines import MAX_LINE, decoded_line
from ingest.outcome import OutcomeIssue, issues_of
from ingest.plan import Task
from ingest.search import Page
from ingest.stream import BrokenStreamError, Caps, EncodingError, OversizeError, decoded
from mappings.errors import IncompleteError

PAGE_RESOURCES = 500
CHUNK_BYTES = 512 * 1024
CAPS = Caps(wire=64 * 1024**3, decoded=64 * 1024**3)
_STEP = 256 * 1024
_GZIP = b"\x1f\x8b"
_TYPE_NAME = b'"resourceType"'
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

    def end(self, lines: bytes) -> None:
        """Note how some lines end, of which the last that is not blank counts."""
        told = lines.rstrip()
        if told:
            self.has_last_newline = b"\n" in lines[len(told) :]

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


@dataclass(frozen=True, slots=True)
class Lines:
    """Some whole lines of a file, as its bytes; whoever judges them tells how many there were."""

    body: bytes
    _found: _Found

    def turned_out(self, lines: int, unreadable: int) -> None:
        """Note how many lines there were, and of how many nothing could be read."""
        self._found.lines += lines
        self._found.unreadable += unreadable


class Reading:
    """The lines of the files that may hold resources of a type, and then whether these files are whole."""

    def __init__(self, files: Iterable[DataFile], resource_type: str) -> None:
        self._resource_type = resource_type
        self._files = [(file, _Found()) for file in files if resource_type in file.types]

    def __iter__(self) -> Iterator[Lines]:
        for file, found in self._files:
            for body in _Cutter(found).cut(_pieces(file.path, found)):
                yield Lines(body, found)

    def what_is_wrong(self) -> IncompleteError | None:
        """What is wrong, once all lines were read and judged."""
        broken = sum(not found.is_whole(file) for file, found in self._files)
        return _not_whole(broken, len(self._files), self._resource_type) if broken else None


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
        raise _not_whole(broken, len(chosen), name)


def _not_whole(broken: int, of: int, resource_type: str) -> IncompleteError:
    return IncompleteError(
        f"{broken} of {of} files of {resource_type} are not whole: they are cut short, hold another "
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


def size_of(files: Iterable[DataFile]) -> int:
    """How many bytes the files have on disk; one that is missing has none."""
    size = 0
    for file in files:
        with suppress(OSError):
            size += file.path.stat().st_size
    return size


def types_in(path: Path) -> frozenset[str]:
    """Every resource type named anywhere in a file: those of its resources, and of what these contain.

    Names of files and manifests are not trusted for this; nothing is decoded yet.
    """
    found: set[bytes] = set()
    for lines in _Cutter(_Found()).cut(_pieces(path, _Found())):
        place = lines.find(_TYPE_NAME)
        while place >= 0:
            told = _TYPE.match(lines, place)
            if told is not None:
                found.add(told[1])
            place = lines.find(_TYPE_NAME, place + 1)
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
        return decoded_line(line)
    except ValueError:
        return None


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


class _Cutter:
    """Cuts a file into whole lines, about CHUNK_BYTES at once; a line longer than MAX_LINE is left out."""

    def __init__(self, found: _Found) -> None:
        self._found = found
        self._rest = bytearray()
        self._ended = 0  # where the last whole line in it ends
        self._is_skipping = False

    def cut(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._add(piece)
            is_too_long = len(self._rest) - self._ended > MAX_LINE
            if self._ended >= CHUNK_BYTES or (is_too_long and self._ended):
                yield self._taken(self._ended)
            if is_too_long:
                self._skip()
        if self._rest:
            yield self._taken(len(self._rest))

    def _add(self, piece: bytes) -> None:
        if self._is_skipping:
            _, newline, piece = piece.partition(b"\n")
            self._is_skipping = not newline
            self._found.has_last_newline = bool(newline)
        if b"\n" in piece:
            self._ended = len(self._rest) + piece.rfind(b"\n") + 1
        self._rest += piece

    def _taken(self, end: int) -> bytes:
        lines = bytes(self._rest[:end])
        del self._rest[:end]
        self._ended = 0
        self._found.end(lines)
        return lines

    def _skip(self) -> None:
        self._found.lines += 1
        self._found.unreadable += 1
        self._found.has_last_newline = False
        self._rest.clear()
        self._is_skipping = True
