"""Is it healthy? A small file beside the warehouse, written when a run begins and when it ends.

The warehouse itself cannot be opened while a run holds it, and that is when people ask. The file holds runs,
centers, counts and rules: no ids, no content.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from mappings.errors import NothingPublishedError, WarehouseError
from service.settings import Settings
from service.wall_clock import WallClockTrigger
from warehouse.connection import Warehouse
from warehouse.disk import disk_errors
from warehouse.health import (
    LastRelease,
    OpenFaults,
    TypeState,
    last_release,
    latest_center_syncs,
    open_faults,
    type_states,
)
from warehouse.runs import (
    CenterSync,
    Run,
    last_complete_syncs,
    last_run,
    newest_ended_run,
    run_history,
)

RUNS_SHOWN = 10

Step = Literal["sync", "refresh"]
STEPS: tuple[Step, ...] = ("sync", "refresh")


@dataclass(frozen=True, slots=True)
class Status:
    """What the ledger says: runs (newest first), the newest of each kind that ended and that was complete.

    `latest` and `complete` are each center's newest and newest complete sync; `types` how far each type is.
    """

    runs: tuple[Run, ...]
    ended: dict[Step, Run | None]
    last_complete: dict[Step, Run | None]
    latest: tuple[CenterSync, ...]
    complete: tuple[CenterSync, ...]
    quarantine: tuple[OpenFaults, ...]
    release: LastRelease | None
    types: tuple[TypeState, ...] = ()  # a file of an earlier version has none


_STATUS = TypeAdapter(Status)


def note_status(warehouse: Warehouse) -> None:
    """Write the status file of the warehouse, in one step, mode 0600; WarehouseError on a full disk, say."""
    status = Status(
        runs=tuple(run_history(warehouse, limit=RUNS_SHOWN)),
        ended={step: newest_ended_run(warehouse, step) for step in STEPS},
        last_complete={step: last_run(warehouse, kinds=(step,), status="complete") for step in STEPS},
        latest=tuple(latest_center_syncs(warehouse)),
        complete=tuple(last_complete_syncs(warehouse).values()),
        quarantine=tuple(open_faults(warehouse)),
        release=last_release(warehouse),
        types=tuple(type_states(warehouse)),
    )
    path = _path(warehouse.folder)
    aside = path.with_suffix(".new")
    with disk_errors(f"{path} cannot be written"):
        aside.touch(mode=0o600)
        aside.write_bytes(_STATUS.dump_json(status, indent=2))
        aside.replace(path)


def read_status(folder: Path) -> Status:
    """The status last written for the warehouse in `folder`; NothingPublishedError before the first run."""
    try:
        return _STATUS.validate_json(_path(folder).read_bytes())
    except FileNotFoundError:
        raise NothingPublishedError(
            f"{folder}: no run has been started yet.", "run `cryocohort sync`, then `cryocohort refresh`."
        ) from None
    except ValidationError:
        raise WarehouseError(
            f"{_path(folder)}: not a status file of this version.",
            "run `cryocohort refresh`; it is written anew.",
        ) from None


def problems(status: Status, latest_start: dict[Step, dt.datetime], *, is_locked: bool) -> list[str]:
    """What is wrong, one sentence each; nothing when healthy.

    `latest_start` says since when a complete run of each step should have begun at the latest; `is_locked`
    whether a run holds the warehouse now.
    """
    found = [sentence for step in STEPS for sentence in _step_problems(status, step, latest_start[step])]
    refreshed = status.last_complete["refresh"]
    if refreshed and (status.release is None or status.release.run_id < refreshed.run_id):
        found.append(f"Run {refreshed.run_id} was refreshed but never published.")
    if not is_locked and any(run.status == "running" for run in status.runs[:1]):
        found.append(f"Run {status.runs[0].run_id} ended without finishing.")
    return found


def _step_problems(status: Status, step: Step, latest_start: dt.datetime) -> Iterator[str]:
    ended, complete = status.ended[step], status.last_complete[step]
    if ended is not None and ended.status != "complete":
        how = "failed" if ended.status == "failed" else f"was {ended.status}"
        yield f"The last {step} (run {ended.run_id}) {how}."
    if complete is None:
        yield f"No {step} has been complete yet."
    elif complete.started_at < latest_start:
        yield f"The last complete {step} is overdue: it began at {complete.started_at:%Y-%m-%d %H:%M} UTC."


def center_states(status: Status) -> list[dict[str, str | None]]:
    """How each center's last sync ended, why, and when its last complete one did (ISO 8601, UTC)."""
    complete = {sync.center_id: sync.finished_at.isoformat() for sync in status.complete}
    return [
        {
            "center": sync.center_id,
            "status": sync.status,
            "reason": sync.reason,
            "last_complete": complete.get(sync.center_id),
        }
        for sync in status.latest
    ]


def next_starts(settings: Settings, now: dt.datetime) -> dict[Step, dt.datetime]:
    """When a service that runs would start each step next."""
    return {step: trigger.first_after(now) for step, trigger in triggers(settings).items()}


def latest_starts(settings: Settings, now: dt.datetime) -> dict[Step, dt.datetime]:
    """Since when a complete run of each step should have begun: a period of its cron and the grace ago."""
    grace = dt.timedelta(hours=settings.file.schedule.misfire_grace_hours)
    starts = {}
    for step, trigger in triggers(settings).items():
        coming = trigger.first_after(now)
        starts[step] = now - (trigger.first_after(coming) - coming) - grace
    return starts


def triggers(settings: Settings) -> dict[Step, WallClockTrigger]:
    """When each step is due."""
    schedule = settings.file.schedule
    crons: dict[Step, str] = {"sync": schedule.sync, "refresh": schedule.refresh}
    return {step: WallClockTrigger(cron, schedule.timezone) for step, cron in crons.items()}


def as_json(status: Status, found: list[str], next_starts: dict[Step, dt.datetime]) -> str:
    """The status as one JSON object for monitoring: the file's content, its problems and the next starts."""
    whole = {
        "healthy": not found,
        "problems": found,
        "next_starts": next_starts,
        **_STATUS.dump_python(status, mode="json"),
    }
    return TypeAdapter(dict[str, object]).dump_json(whole, indent=2).decode()


def _path(folder: Path) -> Path:
    return folder / "status.json"
