"""The releases that are kept, as an operator sees them before rolling back."""

from dataclasses import dataclass
from pathlib import Path

from mappings.errors import NothingPublishedError, WarehouseError
from warehouse.manifest import read_manifest
from warehouse.releases import current_release, kept_releases, release_folder


@dataclass(frozen=True, slots=True)
class KeptRelease:
    """A release on disk; `problem` says why it cannot be used, empty when its manifest can be read."""

    number: int
    is_current: bool
    run_id: int | None
    published_at: str
    tables: int
    rows: int
    problem: str


def list_releases(folder: Path) -> list[KeptRelease]:
    """The releases of the warehouse in `folder`, the newest first."""
    return [_kept(folder, number) for number in reversed(kept_releases(folder))]


def _kept(folder: Path, number: int) -> KeptRelease:
    is_current = _current_number(folder) == number
    try:
        manifest = read_manifest(release_folder(folder, number))
    except WarehouseError:
        return KeptRelease(number, is_current, None, "", 0, 0, "not whole")
    tables = manifest["tables"]
    return KeptRelease(
        number=number,
        is_current=is_current,
        run_id=manifest["run_id"],
        published_at=manifest["published_at"][:16].replace("T", " "),
        tables=len(tables),
        rows=sum(tables.values()),
        problem="",
    )


def _current_number(folder: Path) -> int | None:
    try:
        return int(current_release(folder).name)
    except NothingPublishedError:
        return None
