"""Backup: a consistent copy of the warehouse beside earlier ones, and the way back.

    DEST/raw/<center>/<type>/run=<n>/<m>.parquet   segments, copied once: they never change
    DEST/marts/releases/<n>/                       releases, copied once
    DEST/states/<number>/work.duckdb               the ledger and all derived tables at that time
    DEST/states/<number>/manifest.json             every file of that state with its hash; written last

A state counts when it has its manifest, so a backup that dies leaves the earlier ones whole. Files are copied
and not linked: a hard link shares its bytes with the original, and damage to one would be damage to both.
Pseudonymization keys are never part of it: with the key beside the data a stolen backup would name patients.
"""

import datetime as dt
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mappings.errors import WarehouseError
from warehouse.audit import Event, append, read_log, verify
from warehouse.connection import Warehouse
from warehouse.private import private_files
from warehouse.segments import checksum, sync_to_disk

KEPT_STATES = 3
WORK_FILE = "work.duckdb"
MANIFEST = "manifest.json"
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Copied:
    """What a backup did: its state's number, all files of it, and how much of that was copied now."""

    state: int
    files: int
    copied: int
    copied_bytes: int


def back_up(warehouse: Warehouse, destination: Path, *, version: str, now: dt.datetime) -> Copied:
    """Copy what the ledger lists, the ledger itself and the releases; nothing can be written meanwhile.

    What the destination has already is not copied again. Raises WarehouseError for a segment that is not what
    was landed, and for a destination that cannot be written to.
    """
    destination = destination.resolve()
    if destination.is_relative_to(warehouse.folder):
        raise WarehouseError(
            f"{destination} lies in the warehouse folder.", "name a folder elsewhere, best on another disk."
        )
    _note(warehouse, destination, now, "started", {})
    listed = {row["path"]: row["sha256"] for row in warehouse.rows("SELECT path, sha256 FROM ops.segment")}
    facts = _facts(warehouse, version, now)
    try:
        with private_files(), warehouse.at_rest():
            copied = _Copy(warehouse.folder, destination).make(listed, facts)
    except OSError as error:
        raise WarehouseError(
            f"The backup could not be written to {destination} ({error.strerror or type(error).__name__}); "
            "earlier ones there are as they were.",
            "check the free space and the permissions there, then run it again.",
        ) from None
    _note(warehouse, destination, now, "complete", {"state": copied.state, "files": copied.files})
    return copied


def _note(
    warehouse: Warehouse, place: Path, now: dt.datetime, outcome: str, details: Mapping[str, str | int]
) -> None:
    with warehouse.transaction() as transaction:
        append(transaction, Event("backup", now, str(place), outcome, details))


def _facts(warehouse: Warehouse, version: str, now: dt.datetime) -> Mapping[str, object]:
    """What the manifest says besides the files; the head of the audit log shows later whether it was cut."""
    log = verify(read_log(warehouse.rows))
    (row,) = warehouse.rows(
        "SELECT (SELECT count(*) FROM ops.schema_migration) AS migrations, "
        "(SELECT coalesce(max(run_id), 0) FROM ops.run) AS run_id"
    )
    audit = {"entries": log.entries, "head": log.head}
    return {"made_at": now.isoformat(), "version": version, "audit": audit} | row


class _Copy:
    """One backup under way."""

    def __init__(self, folder: Path, destination: Path) -> None:
        self._folder = folder
        self._destination = destination
        self._copied = 0
        self._bytes = 0

    def make(self, segments: Mapping[str, str], facts: Mapping[str, object]) -> Copied:
        for place in (self._destination, self._destination / "states"):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        number = max(state_numbers(self._destination), default=0) + 1
        files = {path: self._keep(path, sha256) for path, sha256 in sorted(segments.items())}
        releases = _release_files(self._folder)
        files |= {path: self._keep(path, None) for path in releases}
        staging = self._destination / "states" / f".staging-{number}"
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(mode=0o700)
        files[WORK_FILE] = self._transfer(self._folder / WORK_FILE, staging / WORK_FILE)
        manifest = {**facts, "state": number, "current_release": _current(self._folder), "files": files}
        _write(staging / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True) + "\n")
        sync_to_disk(staging)
        staging.rename(self._destination / "states" / str(number))
        sync_to_disk(self._destination / "states")
        self._prune()
        return Copied(number, len(files), self._copied, self._bytes)

    def _keep(self, path: str, sha256: str | None) -> str:
        """Copy an immutable file unless the destination has it; returns its hash."""
        source, target = self._folder / path, self._destination / path
        if target.is_file() and target.stat().st_size == source.stat().st_size:
            return sha256 or checksum(target)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = self._transfer(source, target)
        if sha256 not in (None, found):
            target.unlink()
            raise WarehouseError(
                f"The raw segment {path} is not what was landed.",
                "restore it from an earlier backup; the warehouse cannot be built without it.",
            )
        return found

    def _transfer(self, source: Path, target: Path) -> str:
        self._copied += 1
        self._bytes += source.stat().st_size
        return copy_durably(source, target)

    def _prune(self) -> None:
        """Forget older states, and the releases that none of those left holds; segments stay for all."""
        for number in state_numbers(self._destination)[:-KEPT_STATES]:
            shutil.rmtree(self._destination / "states" / str(number))
        manifests = (read_manifest(self._destination, each) for each in state_numbers(self._destination))
        held = {path for manifest in manifests for path in manifest.files}
        for path in _release_files(self._destination):
            if path not in held:
                (self._destination / path).unlink()


@dataclass(frozen=True, slots=True)
class Manifest:
    """A state as its manifest tells it: `files` are hashes by path, `current_release` may be none."""

    state: int
    made_at: str
    version: str
    migrations: int
    run_id: int
    audit_entries: int
    audit_head: str
    current_release: str | None
    files: Mapping[str, str]


def read_manifest(place: Path, number: int) -> Manifest:
    """The manifest of one state; WarehouseError when it cannot be read."""
    file = place / "states" / str(number) / MANIFEST
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        audit = told.pop("audit")
        return Manifest(audit_entries=audit["entries"], audit_head=audit["head"], **told)
    except (OSError, ValueError, KeyError, TypeError):
        raise WarehouseError(f"{file} is no manifest of a backup.", "use another backup.") from None


def state_numbers(place: Path) -> list[int]:
    """The numbers of the whole states in a backup folder, oldest first."""
    found = (place / "states").glob(f"*/{MANIFEST}")
    return sorted(int(file.parent.name) for file in found if file.parent.name.isdigit())


def copy_durably(source: Path, target: Path) -> str:
    """Copy a file in one step, synced to the disk; returns the SHA-256 of what was read."""
    staging = target.with_name(f"{target.name}.copying")
    found = copy_aside(source, staging)
    staging.replace(target)
    sync_to_disk(target.parent)
    return found


def copy_aside(source: Path, staging: Path) -> str:
    """Copy a file, synced to the disk, under a name that nobody reads; returns its SHA-256."""
    digest = hashlib.sha256()
    with source.open("rb") as read, staging.open("wb") as written:
        while chunk := read.read(_CHUNK):
            digest.update(chunk)
            written.write(chunk)
    sync_to_disk(staging)
    return digest.hexdigest()


def _write(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    sync_to_disk(file)


def _release_files(folder: Path) -> list[str]:
    """The files of every published release below a folder, relative to it."""
    releases = folder / "marts" / "releases"
    return sorted(str(file.relative_to(folder)) for file in _files(releases))


def _files(folder: Path) -> Iterator[Path]:
    return (file for file in folder.rglob("*") if file.is_file())


def _current(folder: Path) -> str | None:
    link = folder / "marts" / "current"
    return link.resolve().name if link.exists() else None
