"""The local part of a check: disk, lock, warehouse and the published release."""

import datetime as dt
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from mappings.errors import ConfigError, WarehouseError
from service.finding import Finding, failed, ok, skipped, warning
from service.settings import Settings
from service.status import latest_starts
from warehouse.lock import holder, is_locked
from warehouse.look import (
    ReleaseLook,
    existing,
    is_usable,
    look_at_release,
    look_at_warehouse,
    size_of_work,
)
from warehouse.publish import require_same_keys

MEGABYTE = 1024 * 1024
LEAST_FREE = 256 * MEGABYTE  # beyond a second copy of what is there: a refresh writes a release aside
ENOUGH_FREE = 1024 * MEGABYTE


def check_place(settings: Settings, now: dt.datetime, free_bytes: Callable[[Path], int]) -> list[Finding]:
    """Look at the place where the warehouse lives; nothing is made or changed there."""
    place = existing(settings.warehouse_folder)
    if not is_usable(place):
        wrong = WarehouseError(
            f"{place} is no folder that this user may write to.",
            "name another with warehouse.folder, or run as the user who owns it.",
        )
        return [failed("", "disk", wrong), skipped("", "warehouse", "not looked at in a folder of others")]
    release, found = _release(settings, now)
    lock, is_held = _lock(settings.warehouse_folder)
    used = size_of_work(settings.warehouse_folder) + (release.size if release else 0)
    warehouse = _warehouse(settings, is_held)
    return [_disk(place, used, free_bytes), lock, warehouse, found, _keys(settings, release)]


def _disk(place: Path, used: int, free_bytes: Callable[[Path], int]) -> Finding:
    free = free_bytes(place)
    seen = f"{free // MEGABYTE:,} MB free at {place}; warehouse and release take {used // MEGABYTE:,} MB"
    if free < used + LEAST_FREE:
        return failed(
            "", "disk", WarehouseError(f"{seen}.", "make room on that disk: a refresh needs as much again.")
        )
    if free < 2 * used + ENOUGH_FREE:
        return warning("", "disk", seen, "make room before the warehouse has grown.")
    return ok("", "disk", seen)


def _lock(folder: Path) -> tuple[Finding, bool]:
    """Whether a run holds the warehouse; that is no fault."""
    try:
        is_held = is_locked(folder)
    except OSError as error:
        wrong = WarehouseError(
            f"{folder / 'lock'} cannot be read ({error.strerror}).",
            "run as the user who owns the warehouse folder.",
        )
        return failed("", "lock", wrong), True
    if is_held:
        return ok("", "lock", f"a run holds the warehouse now (process {holder(folder) or 'unknown'})"), True
    return ok("", "lock", "free"), False


def _warehouse(settings: Settings, is_held: bool) -> Finding:
    if is_held:
        return skipped("", "warehouse", "not opened while it is held")
    try:
        look = look_at_warehouse(settings.warehouse_folder)
    except WarehouseError as error:
        return failed("", "warehouse", error)
    if look is None:
        return skipped("", "warehouse", "there is none yet; the first sync makes it")
    missing = look.pending_migrations
    pending = f"; the next run upgrades it (migrations to apply: {missing})" * bool(missing)
    return ok("", "warehouse", f"{look.size // MEGABYTE:,} MB, readable{pending}")


def _release(settings: Settings, now: dt.datetime) -> tuple[ReleaseLook | None, Finding]:
    try:
        look = look_at_release(settings.warehouse_folder)
    except WarehouseError as error:
        return None, failed("", "release", error)
    if look is None:
        return None, skipped("", "release", "none published yet")
    age = now - look.published_at
    seen = f"release {look.number}, published {look.published_at:%Y-%m-%d %H:%M} UTC ({_hours(age)} ago)"
    if look.published_at < latest_starts(settings, now)["refresh"]:
        overdue = f"{seen}: older than the schedule allows"
        return look, warning("", "release", overdue, "see `cryocohort status`.")
    return look, ok("", "release", seen)


def _keys(settings: Settings, release: ReleaseLook | None) -> Finding:
    """Whether each center's pseudonymization key is the one that readers' pseudonyms were made with."""
    subject = "pseudonyms"
    if release is None:
        return skipped("", subject, "no release yet whose keys could have been changed")
    try:
        require_same_keys(release.newest, release.key_fingerprints, _readable_keys(settings))
    except ConfigError as error:
        return failed("", subject, error)
    return ok("", subject, f"made with the same keys as in release {release.newest}")


def _readable_keys(settings: Settings) -> dict[str, bytes]:
    """The keys by center; one that cannot be used is told with its center."""
    keys = {}
    for center in settings.centers:
        with suppress(ConfigError):
            keys[center.center_id] = center.pseudonym_key()
    return keys


def _hours(age: dt.timedelta) -> str:
    hours = int(age.total_seconds() // 3600)
    return f"{hours} h" if hours < 72 else f"{hours // 24} days"
