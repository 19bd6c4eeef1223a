"""The run ledger: what was started, how it ended, and how fresh each center is."""

import dataclasses
import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, cast

from warehouse.audit import Event, append
from warehouse.connection import Row, Transaction, Warehouse

RunKind = Literal["sync", "refresh", "nightly", "retry"]
RunStatus = Literal["running", "complete", "incomplete", "failed", "withheld"]
SyncStatus = Literal["complete", "incomplete"]
StepName = Literal["map", "build", "compute", "check", "publish"]


@dataclass(frozen=True, slots=True)
class Run:
    """One row of the run ledger; instants are aware UTC."""

    run_id: int
    kind: RunKind
    started_at: dt.datetime
    finished_at: dt.datetime | None
    status: RunStatus
    version: str
    config_fingerprint: str
    message: str


@dataclass(frozen=True, slots=True)
class CenterSync:
    """How one center's sync ended in one run; `reason` is empty when it is complete."""

    run_id: int
    center_id: str
    status: SyncStatus
    reason: str
    finished_at: dt.datetime


@dataclass(frozen=True, slots=True)
class RunStep:
    """One step of a run; `made` counts what it made (see `ops.run_step`), None when it failed."""

    step: StepName
    started_at: dt.datetime
    finished_at: dt.datetime
    made: int | None


def start_run(
    warehouse: Warehouse,
    *,
    kind: RunKind,
    now: dt.datetime,
    version: str,
    config_fingerprint: str,
    secret_prints: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> int:
    """Add a running run and return its number; a run that a crash left running is marked failed first.

    `secret_prints` are fingerprints of secret files by center and configuration key: the audit log notes
    those that differ from the last ones noted.
    """
    with warehouse.transaction() as transaction:
        _fail_crashed_runs(transaction, now)
        run_id = cast("int", transaction.value("SELECT coalesce(max(run_id), 0) + 1 FROM ops.run"))
        started: Row = {
            "run_id": run_id,
            "kind": kind,
            "started_at": now,
            "status": "running",
            "version": version,
            "config_fingerprint": config_fingerprint,
            "message": "",
        }
        _note_configuration(transaction, started)
        for center_id, prints in secret_prints.items():
            _note_secrets(transaction, now, f"secrets of center {center_id}", prints)
        transaction.insert("ops.run", [started])
        append(transaction, Event("run", now, f"{kind} {run_id}", "started", {"version": version}))
    return run_id


def _fail_crashed_runs(transaction: Transaction, now: dt.datetime) -> None:
    # The folder lock is ours, so no other process can be working on a run that is still called running.
    for row in transaction.rows("SELECT run_id FROM ops.run WHERE status = 'running' ORDER BY run_id"):
        _end(transaction, row["run_id"], "failed", now, "The process ended without finishing.")


def _note_configuration(transaction: Transaction, started: Row) -> None:
    """Note in the audit log that this run is configured otherwise than the one before it."""
    before = transaction.rows("SELECT config_fingerprint FROM ops.run ORDER BY run_id DESC LIMIT 1")
    after: str = started["config_fingerprint"]
    if before and before[0]["config_fingerprint"] != after:
        details = {"before": before[0]["config_fingerprint"], "after": after}
        append(transaction, Event("configuration", started["started_at"], "study", "changed", details))


def _note_secrets(
    transaction: Transaction, now: dt.datetime, subject: str, prints: Mapping[str, str]
) -> None:
    """Note a center's secret files as they are now, when they are not as the log has them."""
    noted = transaction.rows(
        "SELECT details FROM ops.audit WHERE action = 'configuration' AND subject = ? "
        "ORDER BY number DESC LIMIT 1",
        [subject],
    )
    before: Mapping[str, str] = json.loads(noted[0]["details"]) if noted else {}
    if before != dict(prints):
        append(
            transaction, Event("configuration", now, subject, "changed" if noted else "first used", prints)
        )


def _end(transaction: Transaction, run_id: int, status: RunStatus, now: dt.datetime, message: str) -> None:
    """Close a run; the audit log notes each end once."""
    run = transaction.rows("SELECT kind, status FROM ops.run WHERE run_id = ?", [run_id])
    transaction.execute(
        "UPDATE ops.run SET status = ?, finished_at = ?, message = ? WHERE run_id = ?",
        [status, now, message, run_id],
    )
    if run and run[0]["status"] != status:
        append(transaction, Event("run", now, f"{run[0]['kind']} {run_id}", status, {}))


def finish_run(
    warehouse: Warehouse,
    run_id: int,
    *,
    status: RunStatus,
    now: dt.datetime,
    message: str = "",
    steps: Sequence[RunStep] = (),
) -> None:
    """Close a run with its status and the steps it took so far, which replace those noted before.

    `message` says what ended it and holds no resource content.
    """
    with warehouse.transaction() as transaction:
        _end(transaction, run_id, status, now, message)
        transaction.execute("DELETE FROM ops.run_step WHERE run_id = ?", [run_id])
        transaction.insert("ops.run_step", [{"run_id": run_id} | dataclasses.asdict(step) for step in steps])


def finish_center(warehouse: Warehouse, sync: CenterSync) -> None:
    """Note how a center's sync ended in this run, replacing an earlier note of the same run."""
    with warehouse.transaction() as transaction:
        transaction.execute(
            "DELETE FROM ops.center_sync WHERE run_id = ? AND center_id = ?", [sync.run_id, sync.center_id]
        )
        transaction.insert("ops.center_sync", [dataclasses.asdict(sync)])


def run_history(warehouse: Warehouse, *, limit: int) -> list[Run]:
    """Return the last `limit` runs, newest first."""
    rows = warehouse.rows(
        "SELECT run_id, kind, started_at, finished_at, status, version, config_fingerprint, message "
        "FROM ops.run ORDER BY run_id DESC LIMIT ?",
        [limit],
    )
    return [Run(**row) for row in rows]


def last_run(warehouse: Warehouse, *, kinds: tuple[RunKind, ...], status: RunStatus) -> Run | None:
    """Return the newest run of one of `kinds` that ended with `status`, or None."""
    rows = warehouse.rows(
        "SELECT run_id, kind, started_at, finished_at, status, version, config_fingerprint, message "
        "FROM ops.run WHERE kind IN (SELECT unnest(?)) AND status = ? ORDER BY run_id DESC LIMIT 1",
        [list(kinds), status],
    )
    return Run(**rows[0]) if rows else None


def last_complete_syncs(warehouse: Warehouse) -> dict[str, CenterSync]:
    """Return the newest complete sync of each center that ever had one."""
    rows = warehouse.rows(
        "SELECT run_id, center_id, status, reason, finished_at FROM ops.center_sync "
        "WHERE status = 'complete' "
        "QUALIFY row_number() OVER (PARTITION BY center_id ORDER BY run_id DESC) = 1 ORDER BY center_id"
    )
    return {row["center_id"]: CenterSync(**row) for row in rows}


def newest_ended_run(warehouse: Warehouse, kind: RunKind) -> Run | None:
    """Return the newest run of this kind that is not running, however it ended, or None."""
    rows = warehouse.rows(
        "SELECT run_id, kind, started_at, finished_at, status, version, config_fingerprint, message "
        "FROM ops.run WHERE kind = ? AND status <> 'running' ORDER BY run_id DESC LIMIT 1",
        [kind],
    )
    return Run(**rows[0]) if rows else None
