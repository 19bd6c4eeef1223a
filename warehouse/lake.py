"""The lake: a copy of releases, and on demand of raw resources, that a cluster reads as plain Parquet.

    DIR/release/<n>/parquet/<schema>/<table>.parquet     the current release, pseudonymized
    DIR/raw/<center>/<type>/run=<n>/<m>.parquet          segments as the warehouse holds them: PHI
    DIR/heads/<center>/<type>/<hash>.parquet             which version of each resource is current, and where
    DIR/manifest.json                                    every file that counts, with its hash; written last

A file that the manifest does not name is not part of the lake: it is of an export that did not end, or waits
for readers of the one before. What is there with the right hash is not copied again. Each file appears whole
or not at all; a lake that dies while it is filled is what it was before.
"""

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mappings.errors import ConfigError, WarehouseError
from warehouse.backup import copy_aside
from warehouse.disk import disk_errors
from warehouse.manifest import MANIFEST
from warehouse.private import private_files
from warehouse.segments import checksum, sync_to_disk

FORM = 1
FOLDERS = ("release", "raw", "heads")
Kind = Literal["release", "raw", "heads"]


@dataclass(frozen=True, slots=True)
class LakeFile:
    """A file of the lake: where it comes from, its path there, and what the manifest says of it."""

    source: Path
    path: str
    kind: Kind
    sha256: str
    rows: int | None
    facts: Mapping[str, str | int]

    def told(self) -> dict[str, Any]:
        """Its entry in the manifest."""
        size = self.source.stat().st_size
        entry = {"kind": self.kind, "sha256": self.sha256, "bytes": size, **self.facts}
        return entry if self.rows is None else {**entry, "rows": self.rows}


@dataclass(frozen=True, slots=True)
class Filled:
    """What an export did to the lake; `altered` names files that were no longer what had been copied."""

    files: int
    copied: int
    copied_bytes: int
    altered: tuple[str, ...]
    removed: int


def fill_lake(lake: Path, files: Sequence[LakeFile], facts: Mapping[str, Any], now: dt.datetime) -> Filled:
    """Bring the folder `lake` to exactly these files and write its manifest, which holds `facts` too.

    Raises ConfigError for a folder that holds anything else, WarehouseError when a source is not what it
    should be or the disk refuses; the manifest there is then the one before.
    """
    with private_files(), disk_errors(f"The lake in {lake} could not be written"):
        lake.mkdir(mode=0o700, parents=True, exist_ok=True)
        _require_ours(lake)
        before = _named_before(lake)
        copied = [file for file in files if not _is_there(lake, file)]
        altered = tuple(file.path for file in copied if before.get(file.path) == file.sha256)
        for file in copied:
            _copy(lake, file)
        entries = {file.path: file.told() for file in files}
        _write_manifest(lake, {"form": FORM, "exported_at": now.isoformat(), **facts, "files": entries})
        removed = _remove_all_but(lake, entries.keys() | before.keys())
    size = sum(entries[file.path]["bytes"] for file in copied)
    return Filled(len(files), len(copied), size, altered, removed)


def _require_ours(lake: Path) -> None:
    known = {*FOLDERS, MANIFEST, f"{MANIFEST}.writing"}
    if any(path.name not in known for path in lake.iterdir()):
        raise ConfigError(
            f"{lake} holds files that are not of a lake.", "name a new folder, or one that an export filled."
        )


def _named_before(lake: Path) -> Mapping[str, str]:
    """The hash of each file that the lake's manifest names as yet."""
    if not (lake / MANIFEST).exists():
        return {}
    return read_lake(lake)


def read_lake(lake: Path) -> Mapping[str, str]:
    """The files that count in the lake, with their hashes; WarehouseError when its manifest is unreadable."""
    try:
        manifest = json.loads((lake / MANIFEST).read_text(encoding="utf-8"))
        return {path: entry["sha256"] for path, entry in manifest["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise WarehouseError(
            f"{lake / MANIFEST} is no manifest of a lake.", "delete it and export again: nothing is lost."
        ) from None


def _is_there(lake: Path, file: LakeFile) -> bool:
    target = lake / file.path
    return target.is_file() and checksum(target) == file.sha256


def _copy(lake: Path, file: LakeFile) -> None:
    target = lake / file.path
    staging = target.with_name(f"{target.name}.copying")
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        if copy_aside(file.source, staging) != file.sha256:
            raise WarehouseError(
                f"{file.path} is not what was landed or published.",
                "run `cryocohort releases list` and restore what is damaged from a backup.",
            )
        staging.replace(target)
    finally:
        staging.unlink(missing_ok=True)
    sync_to_disk(target.parent)


def _write_manifest(lake: Path, manifest: Mapping[str, Any]) -> None:
    staging = lake / f"{MANIFEST}.writing"
    staging.write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    sync_to_disk(staging)
    staging.replace(lake / MANIFEST)
    sync_to_disk(lake)


def _remove_all_but(lake: Path, kept: Set[str]) -> int:
    """Delete what neither this manifest nor the one before names: its last readers have had a night."""
    removed = [path for path in _files(lake) if str(path.relative_to(lake)) not in kept]
    for path in removed:
        path.unlink()
    for folder in sorted((path for path in lake.rglob("*") if path.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()
    return len(removed)


def _files(lake: Path) -> Iterator[Path]:
    return (path for name in FOLDERS for path in (lake / name).rglob("*") if path.is_file())
