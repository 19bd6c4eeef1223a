"""A look at a warehouse from outside: what is there, and whether it can be used; it changes nothing."""

import datetime as dt
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

from mappings.errors import NothingPublishedError, WarehouseError
from warehouse.lock import is_locked
from warehouse.manifest import read_manifest
from warehouse.mart import open_release
from warehouse.migrate import require_known
from warehouse.releases import MART_FILE, current_release, kept_releases, release_folder
from warehouse.transaction import database_error

WORK_FILE = "work.duckdb"
_CONFINED: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


@dataclass(frozen=True, slots=True)
class WarehouseLook:
    """A working database that can be used: its size in bytes and the migrations the next run will apply."""

    size: int
    pending_migrations: int


@dataclass(frozen=True, slots=True)
class ReleaseLook:
    """The current release: its number, when it was published (aware UTC), its size in bytes.

    `key_fingerprints` are those of the pseudonymization keys, by center, that the release `newest` was made
    with: the one that the next is compared with, also after a rollback.
    """

    number: int
    published_at: dt.datetime
    size: int
    newest: int
    key_fingerprints: Mapping[str, str]


def look_at_warehouse(folder: Path) -> WarehouseLook | None:
    """The working database in `folder`, opened read-only for a moment; None when there is none.

    Call it only while no run holds the warehouse. Raises WarehouseError when it is damaged, cannot be used by
    this version, or can be read by others.
    """
    file = folder / WORK_FILE
    if not file.is_file():
        return None
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & 0o077:
        raise WarehouseError(
            f"{file} can be read by others (mode {mode:04o}).", f"run `chmod 600 {file}`: it names patients."
        )
    try:
        with duckdb.connect(str(file), read_only=True, config=_CONFINED) as connection:
            return WarehouseLook(file.stat().st_size, require_known(connection))
    except duckdb.Error as error:
        if is_locked(folder):
            return None  # a run began in this very moment
        raise WarehouseError(
            f"{file} cannot be opened. {database_error(error).message}",
            "restore the warehouse folder from the backup.",
        ) from None


def look_at_release(folder: Path) -> ReleaseLook | None:
    """The release that readers see now, opened once; None before the first.

    Raises WarehouseError when `marts/current` leads to no whole release.
    """
    try:
        path = current_release(folder)
    except NothingPublishedError:
        if not (folder / "marts" / "current").is_symlink():
            return None
        raise _no_release(folder) from None
    try:
        manifest = read_manifest(path)
        newest = read_manifest(release_folder(folder, kept_releases(folder)[-1]))
        with open_release(path / MART_FILE) as mart:
            mart.rows("SELECT 1 AS one")
        return ReleaseLook(
            number=int(manifest["release"]),
            published_at=dt.datetime.fromisoformat(manifest["published_at"]).astimezone(dt.UTC),
            size=sum(file.stat().st_size for file in path.rglob("*") if file.is_file()),
            newest=int(newest["release"]),
            key_fingerprints=dict(newest["key_fingerprints"]),
        )
    except (OSError, ValueError, KeyError, TypeError, WarehouseError):
        raise _no_release(folder) from None


def size_of_work(folder: Path) -> int:
    """The bytes of the working database in `folder`; 0 when there is none."""
    file = folder / WORK_FILE
    return file.stat().st_size if file.is_file() else 0


def existing(folder: Path) -> Path:
    """The folder itself, or the nearest folder above it that exists, as far as this user may see."""
    # os.path: a folder that may not be looked into is no error here.
    return next(path for path in (folder, *folder.parents) if os.path.exists(path))  # noqa: PTH110


def is_usable(folder: Path) -> bool:
    """Whether this user may read and write in an existing folder."""
    return folder.is_dir() and os.access(folder, os.R_OK | os.W_OK | os.X_OK)


def _no_release(folder: Path) -> WarehouseError:
    return WarehouseError(
        f"{folder / 'marts' / 'current'} leads to no whole release.",
        "run `cryocohort refresh`, or point the link at an older folder of marts/releases.",
    )
