"""`manifest.json`: what a release or an export is made of, and whether its files are still those.

It names every file beside it with its SHA-256. Whoever verifies recomputes them: a file that was changed, is
missing or was put in is named.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mappings.errors import WarehouseError
from warehouse.segments import checksum

MANIFEST = "manifest.json"


def write_manifest(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write the manifest of everything in `folder`: `facts`, and the checksum of each file."""
    manifest = {**facts, "sha256": {name: checksum(folder / name) for name in _files(folder)}}
    text = json.dumps(manifest, indent=2, sort_keys=True) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of `folder`; raises WarehouseError when there is none or it is not one."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise _not_whole(folder, f"{MANIFEST} is missing or cannot be read") from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("sha256"), dict):
        raise _not_whole(folder, f"{MANIFEST} names no files")
    return manifest


def verify_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest when every file is as it says; raises WarehouseError naming those that are not."""
    manifest = read_manifest(folder)
    listed, found = manifest["sha256"], set(_files(folder))
    changed = [name for name in sorted(found & set(listed)) if checksum(folder / name) != listed[name]]
    problems = [
        *(f"{name} was changed" for name in changed),
        *(f"{name} is missing" for name in sorted(set(listed) - found)),
        *(f"{name} was put in" for name in sorted(found - set(listed))),
    ]
    if problems:
        raise _not_whole(folder, "; ".join(problems))
    return manifest


def _files(folder: Path) -> list[str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in (str(path.relative_to(folder)) for path in files) if name != MANIFEST)


def _not_whole(folder: Path, problem: str) -> WarehouseError:
    return WarehouseError(
        f"{folder} is not what was published: {problem}.",
        "do not use it; publish or export again, or roll back to a release that verifies "
        "(`cryocohort releases list`).",
    )
