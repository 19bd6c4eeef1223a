"""Publishing: a pseudonymized release built aside, made read-only, and swapped in at once.

A release holds the core and outcomes tables, facts about runs and centers, and the check results; never raw
or flat resources, nor the quarantine. The same tables lie in `mart.duckdb` and as Parquet for every other
engine; `dictionary.*` explains each column, `manifest.json` says what all of it is.
"""

import datetime as dt
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mappings.errors import ConfigError
from warehouse.audit import Event, append
from warehouse.connection import Warehouse
from warehouse.dictionary import describe_mart, write_dictionary
from warehouse.disk import disk_errors
from warehouse.manifest import verify_manifest, write_manifest
from warehouse.mart import open_release
from warehouse.pseudonym import key_fingerprint
from warehouse.release_plan import plan_release
from warehouse.release_tables import STORAGE_VERSION, WrittenMart, write_mart
from warehouse.releases import (
    MART_FILE,
    begin_release,
    current_release,
    finish_release,
    next_number,
    point_current,
    prune,
    release_folder,
)

__all__ = [
    "PublishInput",
    "Release",
    "current_release",
    "publish",
    "require_known_keys",
    "roll_back",
    "unpublished_run",
]

FEWEST_KEPT = 3


@dataclass(frozen=True, slots=True)
class PublishInput:
    """What a release is made with: `keys` by center, how many releases to keep, facts for its manifest."""

    run_id: int
    now: dt.datetime
    project: str
    keys: Mapping[str, bytes]
    keep: int
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Release:
    """A published release; `tables` counts the rows of each."""

    number: int
    path: Path
    run_id: int
    published_at: dt.datetime
    tables: Mapping[str, int]


def publish(warehouse: Warehouse, publish_input: PublishInput) -> Release:
    """Publish the committed tables as the new current release.

    Raises SqlFileError for a column that may not leave the warehouse, ConfigError for a missing key,
    WarehouseError when the disk refuses: readers have the old release or the new one, whole, all the same.
    """
    if publish_input.keep < FEWEST_KEPT:
        raise ConfigError(f"At least {FEWEST_KEPT} releases must be kept.", "Raise keep_releases.")
    with warehouse.exclusive() as connection, disk_errors("The release could not be written"):
        tables = plan_release(connection)
        number = next_number(warehouse.folder)
        staging = begin_release(warehouse.folder, number)
        written = write_mart(
            connection, tables, staging, project=publish_input.project, keys=publish_input.keys
        )
        with open_release(staging / MART_FILE) as mart:
            write_dictionary(describe_mart(mart), staging)
        write_manifest(staging, _facts(number, written, publish_input))
        path = finish_release(warehouse.folder, staging, number)
        release = Release(number, path, publish_input.run_id, publish_input.now, written.rows)
        _note(warehouse, release, publish_input)
    with warehouse.exclusive(), disk_errors("An old release could not be removed"):
        prune(warehouse.folder, publish_input.keep)
    return release


def unpublished_run(warehouse: Warehouse) -> int | None:
    """Return the newest complete refresh that no release holds: a crash came between them; else None."""
    (row,) = warehouse.rows(
        "SELECT max(run_id) AS run_id FROM ops.run WHERE kind IN ('refresh', 'nightly') "
        "AND status = 'complete' AND run_id > (SELECT coalesce(max(run_id), 0) FROM ops.release)"
    )
    run_id: int | None = row["run_id"]
    return run_id


def _facts(number: int, written: WrittenMart, publish_input: PublishInput) -> dict[str, Any]:
    return {
        "release": number,
        "run_id": publish_input.run_id,
        "published_at": publish_input.now.isoformat(),
        "project": publish_input.project,
        "storage_version": STORAGE_VERSION,
        "key_fingerprints": _fingerprints(publish_input.keys),
        "facts": dict(publish_input.facts),
        "tables": dict(written.rows),
        "content": dict(written.content),
    }


def require_known_keys(warehouse: Warehouse, publish_input: PublishInput, accepted: Collection[str]) -> None:
    """Raise ConfigError when a center's key is not that of the last release, unless it is `accepted`."""
    last = warehouse.rows("SELECT release, key_fingerprints FROM ops.release ORDER BY release DESC LIMIT 1")
    if last:
        keys = {each: key for each, key in publish_input.keys.items() if each not in accepted}
        require_same_keys(last[0]["release"], json.loads(last[0]["key_fingerprints"]), keys)


def require_same_keys(release: int, known: Mapping[str, str], keys: Mapping[str, bytes]) -> None:
    """Raise ConfigError when a center's key has not the fingerprint that a release knows it by.

    With another key every pseudonym of the center changes: what analysts keep beside the release no longer
    joins. A center that no release knows has no key to differ from.
    """
    changed = [
        center_id
        for center_id, fingerprint in _fingerprints(keys).items()
        if known.get(center_id, fingerprint) != fingerprint
    ]
    if changed:
        told = ", ".join(f"{center_id} ({known[center_id]})" for center_id in changed)
        raise ConfigError(
            f"The pseudonymization key is not that of release {release}: center {told}. Every "
            "pseudonym of its patients would change.",
            "put the old key file back (the fingerprint stands in brackets); if the key was changed on "
            f"purpose, run `cryocohort refresh {' '.join(f'--accept-key {each}' for each in changed)}` once.",
        )


def roll_back(warehouse: Warehouse, number: int, now: dt.datetime) -> None:
    """Make release `number` the current one again, once its files are those of its manifest.

    Raises NothingPublishedError when it is not kept, WarehouseError when it is not whole. The next refresh
    publishes a newer release, and readers see that one.
    """
    with warehouse.exclusive(), disk_errors("The release could not be made the current one"):
        folder = release_folder(warehouse.folder, number)
        verify_manifest(folder)
        before = current_release(warehouse.folder).name
        point_current(warehouse.folder, number)
        with warehouse.transaction() as transaction:
            details = {"from": int(before), "to": number}
            append(transaction, Event("rollback", now, f"release {number}", "current", details))


def _fingerprints(keys: Mapping[str, bytes]) -> dict[str, str]:
    return {center_id: key_fingerprint(secret) for center_id, secret in sorted(keys.items())}


def _note(warehouse: Warehouse, release: Release, publish_input: PublishInput) -> None:
    row = {
        "release": release.number,
        "run_id": release.run_id,
        "published_at": release.published_at,
        "path": str(release.path.relative_to(warehouse.folder)),
        "key_fingerprints": json.dumps(_fingerprints(publish_input.keys)),
    }
    with warehouse.transaction() as transaction:
        transaction.insert("ops.release", [row])
        told = {"run": release.run_id, "tables": len(release.tables)}
        append(
            transaction, Event("publish", release.published_at, f"release {release.number}", "current", told)
        )
