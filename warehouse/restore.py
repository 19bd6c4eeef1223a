"""Restore: a backup verified, file by file, and made a warehouse again in an empty folder."""

import datetime as dt
import shutil
from dataclasses import dataclass
from pathlib import Path

import duckdb

from mappings.errors import NothingPublishedError, WarehouseError
from warehouse.audit import Event, append, read_log, verify
from warehouse.backup import WORK_FILE, Manifest, copy_durably, read_manifest, state_numbers
from warehouse.connection import Warehouse
from warehouse.migrate import require_known
from warehouse.private import private_files
from warehouse.releases import restore_current
from warehouse.segments import checksum
from warehouse.transaction import Row, database_error, fetch

_CONFINED: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
_ANOTHER = "use an earlier backup, or another copy of this one."


@dataclass(frozen=True, slots=True)
class Checked:
    """A backup that was verified: its manifest and its size in bytes."""

    manifest: Manifest
    size: int


def check_backup(source: Path) -> Checked:
    """Verify the newest state in a backup folder and change nothing.

    Every file must have its hash, the database must open and be of a version this one knows, its ledger must
    list no segment that is not there, and its audit log must be whole. Raises WarehouseError otherwise.
    """
    manifest = _newest(source)
    damaged = [
        path
        for path, sha256 in manifest.files.items()
        if not _is_sound(_place(source, manifest, path), sha256)
    ]
    if damaged:
        raise WarehouseError(
            f"{len(damaged)} files of the backup are missing or were altered, the first: {damaged[0]}.",
            _ANOTHER,
        )
    _check_database(source, manifest)
    size = sum(_place(source, manifest, path).stat().st_size for path in manifest.files)
    return Checked(manifest, size)


def restore(source: Path, folder: Path, *, now: dt.datetime) -> Manifest:
    """Make the newest state in a backup folder the warehouse in `folder`, which must be empty or missing.

    The files are verified first, and again as they are copied. A restore that dies leaves `folder` as it was.
    """
    _require_empty(folder)
    manifest = check_backup(source).manifest
    staging = folder.with_name(f".{folder.name}.restoring")
    try:
        with private_files():
            shutil.rmtree(staging, ignore_errors=True)
            staging.mkdir(mode=0o700, parents=True)
            for path, sha256 in manifest.files.items():
                _bring_back(_place(source, manifest, path), staging / path, sha256)
        if manifest.current_release is not None:
            restore_current(staging, int(manifest.current_release))
        staging.replace(folder)
    except OSError as error:
        raise WarehouseError(
            f"The backup could not be restored to {folder} ({error.strerror or type(error).__name__}).",
            "check the free space and the permissions there, then run it again.",
        ) from None
    with Warehouse.open(folder) as warehouse, warehouse.transaction() as transaction:
        details: dict[str, str | int] = {
            "state": manifest.state,
            "made_at": manifest.made_at,
            "files": len(manifest.files),
        }
        append(transaction, Event("restore", now, str(source), "restored", details))
    return manifest


def _newest(source: Path) -> Manifest:
    numbers = state_numbers(source)
    if not numbers:
        raise NothingPublishedError(
            f"{source} holds no backup.", "name a folder that `cryocohort backup` wrote."
        )
    return read_manifest(source, numbers[-1])


def _place(source: Path, manifest: Manifest, path: str) -> Path:
    """Where a file of the state lies in the backup folder."""
    return source / "states" / str(manifest.state) / path if path == WORK_FILE else source / path


def _is_sound(file: Path, sha256: str) -> bool:
    return file.is_file() and checksum(file) == sha256


def _check_database(source: Path, manifest: Manifest) -> None:
    file = _place(source, manifest, WORK_FILE)
    try:
        with duckdb.connect(str(file), read_only=True, config=_CONFINED) as connection:
            require_known(connection)
            connection.execute("SET TimeZone = 'UTC'")

            def rows(sql: str) -> list[Row]:
                return fetch(connection, sql)

            lacking = [
                row["path"]
                for row in rows("SELECT path, sha256 FROM ops.segment ORDER BY path")
                if manifest.files.get(row["path"]) != row["sha256"]
            ]
            log = verify(read_log(rows))
    except duckdb.Error as error:
        raise WarehouseError(f"{file} cannot be opened. {database_error(error).message}", _ANOTHER) from None
    if lacking:
        raise WarehouseError(f"The backup lacks the raw segment {lacking[0]}.", _ANOTHER)
    if log.broken_at is not None or log.head != manifest.audit_head:
        raise WarehouseError("The audit log in the backup is not whole.", _ANOTHER)


def _require_empty(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise WarehouseError(
            f"{folder} is not empty: a restore never writes over a warehouse.",
            "move it away first, or name another warehouse.folder in cryocohort.toml.",
        )


def _bring_back(source: Path, target: Path, sha256: str) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if copy_durably(source, target) != sha256:
        raise WarehouseError(f"{source} changed while it was restored.", _ANOTHER)
