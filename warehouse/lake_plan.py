"""What a lake is to hold: the files of a release, and on demand raw segments and the current versions."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from warehouse.connection import Warehouse
from warehouse.disk import disk_errors
from warehouse.lake import LakeFile
from warehouse.lock import FolderLock
from warehouse.manifest import verify_manifest
from warehouse.names import literal
from warehouse.private import private_files
from warehouse.releases import MART_FILE
from warehouse.segments import checksum
from warehouse.transaction import Row

_SCRATCH = "lake"
_HEADS = """
COPY (
    SELECT center_id, resource_type, resource_id, version_id, last_updated, content_hash, run_id, path
    FROM ops.head WHERE center_id = $center_id AND resource_type = $resource_type ORDER BY resource_id
) TO {file} (FORMAT parquet, COMPRESSION zstd)
"""


@contextmanager
def lake_scratch(folder: Path) -> Iterator[Path]:
    """A private folder in the warehouse's for one export at a time; removed with the block.

    The warehouse itself is free while files are copied: a night may begin meanwhile.
    """
    lock = FolderLock.acquire(folder, "lake export")
    scratch = folder / _SCRATCH
    try:
        shutil.rmtree(scratch, ignore_errors=True)  # what a kill has left
        with private_files(), disk_errors(f"The folder {scratch} could not be made"):
            scratch.mkdir(mode=0o700)
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        lock.release()


def release_files(release: Path) -> list[LakeFile]:
    """The Parquet files and the dictionary of a release, once it is verified; not its database."""
    manifest = verify_manifest(release)
    rows = manifest["tables"]
    return [
        LakeFile(release / path, f"release/{release.name}/{path}", "release", sha256, rows.get(table), named)
        for path, sha256 in sorted(manifest["sha256"].items())
        if path != MART_FILE
        for table in [_table(path)]
        for named in [{"table": table} if table else {}]
    ]


def _table(path: str) -> str:
    """`core.patient` of `parquet/core/patient.parquet`; '' for a file that is no table."""
    parts = Path(path).with_suffix("").parts
    return ".".join(parts[1:]) if parts[0] == "parquet" else ""


def raw_files(warehouse: Warehouse, scratch: Path) -> list[LakeFile]:
    """Every segment that counts, and the current versions as files written into `scratch`."""
    segments = warehouse.rows(
        "SELECT path, sha256, versions, center_id, resource_type, run_id FROM ops.segment ORDER BY path"
    )
    listed = [
        LakeFile(warehouse.folder / row["path"], row["path"], "raw", row["sha256"], row["versions"], _of(row))
        for row in segments
    ]
    counted = warehouse.rows(
        "SELECT center_id, resource_type, count(*) AS heads FROM ops.head GROUP BY ALL ORDER BY ALL"
    )
    return [*listed, *(_heads(warehouse, scratch, row) for row in counted)]


def _of(row: Row) -> dict[str, str | int]:
    return {name: row[name] for name in ("center_id", "resource_type", "run_id") if name in row}


def _heads(warehouse: Warehouse, scratch: Path, row: Row) -> LakeFile:
    """The current versions of one type at one center; the name tells the content, so it never changes."""
    center_id, resource_type = row["center_id"], row["resource_type"]
    file = scratch / f"{center_id}-{resource_type}.parquet"
    with private_files():
        warehouse.rows(
            _HEADS.format(file=literal(str(file))), {"center_id": center_id, "resource_type": resource_type}
        )
    sha256 = checksum(file)
    path = f"heads/{center_id}/{resource_type}/{sha256[:16]}.parquet"
    return LakeFile(file, path, "heads", sha256, row["heads"], _of(row))
