"""Publishing: a pseudonymized release built aside, made read-only, and swapped in at once.

A release holds the core and outcomes tables, facts about runs and centers, and the check results; never raw
or flat resources, nor the quarantine. The same tables lie in `mart.duckdb` and as Parquet for every other
engine; `manifest.json` says what they are.
"""

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mappings.errors import ConfigError
from warehouse.audit import Event, append
from warehouse.connection import Warehouse
from warehouse.pseudonym import key_fingerprint
from warehouse.release_tables import STORAGE_VERSION, plan_release, write_mart
from warehouse.releases import begin_release, current_release, finish_release, next_number, prune
from warehouse.segments import checksum

__all__ = ["PublishInput", "Release", "current_release", "publish", "read_manifest", "unpublished_run"]

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

    Raises SqlFileError for a column that may not leave the warehouse, ConfigError for a missing key.
    """
    if publish_input.keep < FEWEST_KEPT:
        raise ConfigError(f"At least {FEWEST_KEPT} releases must be kept.", "Raise keep_releases.")
    with warehouse.exclusive() as connection:
        tables = plan_release(connection)
        number = next_number(warehouse.folder)
        staging = begin_release(warehouse.folder, number)
        counts = write_mart(
            connection, tables, staging, project=publish_input.project, keys=publish_input.keys
        )
        _write_manifest(staging, number, counts, publish_input)
        path = finish_release(warehouse.folder, staging, number)
        release = Release(number, path, publish_input.run_id, publish_input.now, counts)
        _note(warehouse, release, publish_input)
        prune(warehouse.folder, publish_input.keep)
    return release


def read_manifest(release: Path) -> dict[str, Any]:
    """What a release says of itself: its manifest.json."""
    manifest: dict[str, Any] = json.loads((release / "manifest.json").read_text(encoding="utf-8"))
    return manifest


def unpublished_run(warehouse: Warehouse) -> int | None:
    """Return the newest complete refresh that no release holds: a crash came between them; else None."""
    (row,) = warehouse.rows(
        "SELECT max(run_id) AS run_id FROM ops.run WHERE kind <> 'sync' AND status = 'complete' "
        "AND run_id > (SELECT coalesce(max(run_id), 0) FROM ops.release)"
    )
    run_id: int | None = row["run_id"]
    return run_id


def _write_manifest(
    staging: Path, number: int, counts: Mapping[str, int], publish_input: PublishInput
) -> None:
    files = sorted(path for path in staging.rglob("*") if path.is_file())
    manifest = {
        "release": number,
        "run_id": publish_input.run_id,
        "published_at": publish_input.now.isoformat(),
        "project": publish_input.project,
        "storage_version": STORAGE_VERSION,
        "key_fingerprints": _fingerprints(publish_input),
        "facts": dict(publish_input.facts),
        "tables": dict(counts),
        "sha256": {str(path.relative_to(staging)): checksum(path) for path in files},
    }
    text = json.dumps(manifest, indent=2, sort_keys=True) + "\n"
    (staging / "manifest.json").write_text(text, encoding="utf-8")


def _fingerprints(publish_input: PublishInput) -> dict[str, str]:
    return {center_id: key_fingerprint(secret) for center_id, secret in sorted(publish_input.keys.items())}


def _note(warehouse: Warehouse, release: Release, publish_input: PublishInput) -> None:
    row = {
        "release": release.number,
        "run_id": release.run_id,
        "published_at": release.published_at,
        "path": str(release.path.relative_to(warehouse.folder)),
        "key_fingerprints": json.dumps(_fingerprints(publish_input)),
    }
    with warehouse.transaction() as transaction:
        transaction.insert("ops.release", [row])
        told = {"run": release.run_id, "tables": len(release.tables)}
        append(
            transaction, Event("publish", release.published_at, f"release {release.number}", "current", told)
        )
