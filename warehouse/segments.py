"""Raw segments: immutable Parquet files of accepted resource versions.

A segment counts only when `ops.segment` lists it; any other file under `raw/` is what a crash left, and is
ignored and overwritten. Files are readable by every engine that reads Parquet.
"""

import contextlib
import hashlib
import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mappings.errors import ConfigError, WarehouseError
from warehouse.connection import Transaction, Warehouse
from warehouse.disk import disk_errors

_SCHEMA = pa.schema(
    [
        ("center_id", pa.string()),
        ("resource_type", pa.string()),
        ("resource_id", pa.string()),
        ("version_id", pa.string()),
        ("last_updated", pa.timestamp("us")),
        ("content_hash", pa.string()),
        ("run_id", pa.int32()),
        ("body", pa.string()),
    ]
)
_ALIKE = ["center_id", "resource_type", "version_id", "run_id"]  # a dictionary of ids or bodies saves nothing


@dataclass(frozen=True, slots=True)
class Segment:
    """One Parquet file: where it lies (relative to the warehouse folder), how many versions, its checksum."""

    path: str
    versions: int
    sha256: str


def segment_path(center_id: str, resource_type: str, run_id: int, number: int) -> str:
    """Return the relative path of the `number`-th segment of a center, resource type and run."""
    for part in (center_id, resource_type):
        if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", part) is None:
            raise ConfigError(
                f"{part!r} cannot name a folder of the warehouse.",
                "Name centers with letters, digits, hyphens and underscores.",
            )
    return f"raw/{center_id}/{resource_type}/run={run_id}/{number}.parquet"


def write_segment(folder: Path, path: str, columns: Mapping[str, Sequence[object]]) -> Segment:
    """Write the columns of a raw segment durably under `folder`, replacing an unlisted leftover."""
    target = folder / path
    staging = target.with_suffix(".writing")
    with disk_errors("A raw segment could not be written"):
        try:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            arrays = {name: _array(name, values) for name, values in columns.items()}
            versions = pa.table(arrays, schema=_SCHEMA)
            pq.write_table(versions, staging, compression="zstd", use_dictionary=_ALIKE)
            sync_to_disk(staging)
            staging.replace(target)
            sync_to_disk(target.parent)
        except OSError:
            with contextlib.suppress(OSError):  # a leftover is ignored and overwritten
                staging.unlink(missing_ok=True)
            raise
        return Segment(path, versions.num_rows, checksum(target))


def _array(name: str, values: Sequence[object]) -> pa.Array:
    """A column as Arrow; instants become UTC without saying so, which every reader of Parquet understands."""
    if name == "last_updated":
        return pa.array(values, pa.timestamp("us", "UTC")).cast(_SCHEMA.field(name).type)
    return pa.array(values, _SCHEMA.field(name).type)


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_to_disk(path: Path) -> None:
    """Ask the operating system to write a file or folder through to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def require_intact(transaction: Transaction, folder: Path, paths: Collection[str] | None = None) -> None:
    """Raise WarehouseError naming the segments whose file is missing or differs from its checksum.

    All listed segments are verified unless `paths` names some; one that the ledger does not list is damaged.
    """
    rows = transaction.rows("SELECT path, sha256 FROM ops.segment ORDER BY path")
    listed = {row["path"]: row["sha256"] for row in rows}
    wanted = listed if paths is None else sorted(paths)
    damaged = [path for path in wanted if not _is_intact(folder / path, listed.get(path))]
    if damaged:
        raise WarehouseError(
            f"Raw segments are missing or were altered: {', '.join(damaged)}.",
            "Restore them from the backup; the warehouse cannot be built without them.",
        )


def _is_intact(path: Path, sha256: str | None) -> bool:
    try:
        return path.is_file() and checksum(path) == sha256
    except OSError:  # what the disk cannot read is as good as missing
        return False


def is_listed(warehouse: Warehouse, segment: Segment) -> bool:
    """Whether the committed ledger lists the segment."""
    return bool(warehouse.rows("SELECT 1 FROM ops.segment WHERE path = ?", [segment.path]))
