"""Is it healthy? A small file beside the warehouse, written when a run begins and when it ends.

The warehouse itself cannot be opened while a run holds it, and that is when people ask. The file holds runs,
centers, counts and rules: no ids, no content.
"""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from mappings.errors import NothingPublishedError, WarehouseError
from warehouse.connection import Warehouse
from warehouse.health import LastRelease, OpenFaults, last_release, latest_center_syncs, open_faults
from warehouse.runs import CenterSync, Run, last_complete_syncs, run_history

RUNS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Status:
    """The last runs (newest first), each center's last and last complete sync, open faults, the release."""

    runs: tuple[Run, ...]
    latest: tuple[CenterSync, ...]
    complete: tuple[CenterSync, ...]
    quarantine: tuple[OpenFaults, ...]
    release: LastRelease | None

    @property
    def is_healthy(self) -> bool:
        """Whether the newest sync and the newest refresh that ended were complete."""
        ended = {run.kind: run.status for run in reversed(self.runs) if run.status != "running"}
        return ended.get("sync") == ended.get("refresh") == "complete"


_STATUS = TypeAdapter(Status)


def note_status(warehouse: Warehouse) -> None:
    """Write the status file of the warehouse, in one step, mode 0600."""
    status = Status(
        runs=tuple(run_history(warehouse, limit=RUNS_SHOWN)),
        latest=tuple(latest_center_syncs(warehouse)),
        complete=tuple(last_complete_syncs(warehouse).values()),
        quarantine=tuple(open_faults(warehouse)),
        release=last_release(warehouse),
    )
    path = _path(warehouse.folder)
    aside = path.with_suffix(".new")
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


def as_json(status: Status, next_starts: dict[str, dt.datetime]) -> str:
    """The status as one JSON object for monitoring: the file's content, health and the next starts."""
    whole = {
        "healthy": status.is_healthy,
        "next_starts": next_starts,
        **_STATUS.dump_python(status, mode="json"),
    }
    return TypeAdapter(dict[str, object]).dump_json(whole, indent=2).decode()


def _path(folder: Path) -> Path:
    return folder / "status.json"
