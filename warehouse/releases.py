"""Releases on disk: `marts/releases/<n>/`, and `marts/current`, a symbolic link that is swapped atomically.

A reader that has opened a release keeps it, also after it was pruned; one that opens `current` gets the old
or the new release whole. Rolling back is pointing `current` at an older folder.
"""

import shutil
from pathlib import Path

from mappings.errors import NothingPublishedError
from warehouse.segments import sync_to_disk

MART_FILE = "mart.duckdb"
_STAGING, _LEAVING = ".staging-", ".leaving-"


def current_release(folder: Path) -> Path:
    """Return the folder of the release that readers of the warehouse in `folder` see now.

    Raises NothingPublishedError when none has been published.
    """
    link = folder / "marts" / "current"
    if not link.exists():
        raise NothingPublishedError(
            f"{link} does not exist.", "Run `cryocohort refresh` to publish a release."
        )
    return link.resolve()


def release_folder(folder: Path, number: int) -> Path:
    """Return the folder of release `number`; raises NothingPublishedError when it is not kept."""
    kept = kept_releases(folder)
    if number not in kept:
        numbers = ", ".join(map(str, kept)) or "none"
        raise NothingPublishedError(
            f"Release {number} is not kept.", f"name one of those that are: {numbers} (keep_releases)."
        )
    return folder / "marts" / "releases" / str(number)


def begin_release(folder: Path, number: int) -> Path:
    """Make an empty folder in which release `number` is written, unseen by readers."""
    releases = folder / "marts" / "releases"
    releases.mkdir(parents=True, exist_ok=True)
    # Analysts pass through these two; the private files above them are 0600.
    for place in (releases.parent, releases):
        place.chmod(0o755)
    _sweep(releases.parent)
    staging = releases.parent / f"{_STAGING}{number}"
    staging.mkdir(mode=0o700)
    return staging


def _sweep(marts: Path) -> None:
    """Delete the releases that a crash left half-made or half-deleted."""
    for left in [*marts.glob(f"{_STAGING}*"), *marts.glob(f"{_LEAVING}*")]:
        shutil.rmtree(left)


def next_number(folder: Path) -> int:
    """Return a release number above every folder there is, also one that a crash left unannounced."""
    return max(kept_releases(folder), default=0) + 1


def finish_release(folder: Path, staging: Path, number: int) -> Path:
    """Make the staged release durable, read-only and current; returns its folder."""
    target = folder / "marts" / "releases" / str(number)
    _open_to_readers(staging)
    staging.rename(target)
    sync_to_disk(target.parent)
    point_current(folder, number)
    return target


def restore_current(folder: Path, number: int) -> None:
    """Open restored releases to readers, and show them release `number`."""
    _open_to_readers(folder / "marts")
    point_current(folder, number)


def _open_to_readers(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o755 if path.is_dir() else 0o444)
        sync_to_disk(path)


def point_current(folder: Path, number: int) -> None:
    """Let `marts/current` lead to release `number`, in one step."""
    marts = folder / "marts"
    link = marts / ".current"
    link.unlink(missing_ok=True)
    link.symlink_to(Path("releases") / str(number))
    link.replace(marts / "current")
    sync_to_disk(marts)


def prune(folder: Path, keep: int) -> list[int]:
    """Delete all but the newest `keep` releases, never the current one; returns the numbers deleted."""
    current = current_release(folder).name
    old = [number for number in kept_releases(folder)[:-keep] if str(number) != current]
    for number in old:
        # Renamed first: a crash midway must not leave half a release among those that can be rolled back to.
        leaving = folder / "marts" / f"{_LEAVING}{number}"
        (folder / "marts" / "releases" / str(number)).rename(leaving)
        shutil.rmtree(leaving)
    return old


def kept_releases(folder: Path) -> list[int]:
    """Return the numbers of the releases on disk, the oldest first."""
    releases = folder / "marts" / "releases"
    if not releases.is_dir():
        return []
    return sorted(int(path.name) for path in releases.iterdir() if path.name.isdigit())
