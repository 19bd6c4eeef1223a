"""Departures: resources that left a center's server, or the study's part of it, leave flat and core.

A departure is soft: the row of `ops.head` moves to `ops.departure`, raw segments stay. It never blocks a
version seen later: with the head gone, whatever comes is current, even when its version restarted at 1.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mappings.errors import IncompleteError
from warehouse.absence import note_absent
from warehouse.audit import Event, append
from warehouse.connection import Row, Transaction, Warehouse

Reason = Literal["deleted", "recoded", "moved", "bulk", "absent"]

# Below this number a percentage says little: one patient's resources are more than 2 % of a small center.
ALWAYS_ALLOWED = 20


@dataclass(frozen=True, slots=True)
class DepartureLimit:
    """How many may leave at once before somebody has to look: 20, or a percentage of what there is.

    A lifted limit allows any number: an operator has looked.
    """

    max_percent: float
    is_lifted: bool = False

    def forbids(self, leaving: int, of: int) -> bool:
        """Whether `leaving` of so many are too many."""
        return not self.is_lifted and leaving > max(ALWAYS_ALLOWED, of * self.max_percent / 100)


@dataclass(frozen=True, slots=True)
class KnownVersion:
    """What the ledger, or a server, says of the version of a resource that is current there."""

    resource_id: str
    version_id: str | None
    last_updated: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What a verified comparison of one center's ids of one type came to.

    `departed` are reasons by id; `settled` are ids whose open faults are closed ('' for those without id);
    `ended_members` are patients that belong to the cohort no longer; `absent` are ids that an export of
    `delivered_at` lacks and that stay, because nobody has said that they are gone.
    """

    run_id: int
    center_id: str
    resource_type: str
    finished_at: dt.datetime
    heads: int
    seen: int
    lagging: int
    departed: dict[str, Reason]
    settled: Sequence[str]
    ended_members: Sequence[str] = ()
    is_limit_lifted: bool = False
    absent: Sequence[str] = ()
    delivered_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Deletion:
    """Resources of one type that a center says it has deleted; ids not known here do no harm."""

    run_id: int
    center_id: str
    resource_type: str
    resource_ids: Sequence[str]
    noticed_at: dt.datetime


def reconcile(warehouse: Warehouse, found: Reconciliation) -> int:
    """Note a reconciliation and all that follows from it in one transaction; returns how many departed."""
    with warehouse.transaction() as transaction:
        departed = _depart(transaction, _departures(found))
        _settle(transaction, found, [*found.settled, *found.departed])
        _end_membership(transaction, found)
        ledger_row = _ledger_row(found, departed)
        note_absent(transaction, ledger_row, found.absent, found.delivered_at)
        transaction.insert("ops.reconciliation", [ledger_row])
        if departed:
            append(transaction, _event(found, found.finished_at, departed, found.is_limit_lifted))
    return departed


def delete(warehouse: Warehouse, deletion: Deletion, limit: DepartureLimit) -> int:
    """Let resources go that their server lists as deleted; returns how many were current.

    One transaction. The list is evidence enough and nobody is asked again, but a list longer than the limit
    raises IncompleteError and deletes nothing.
    """
    ids = sorted(set(deletion.resource_ids))
    rows: list[Row] = [
        {
            "center_id": deletion.center_id,
            "resource_type": deletion.resource_type,
            "resource_id": each,
            "reason": "bulk",
            "noticed_at": deletion.noticed_at,
            "run_id": deletion.run_id,
        }
        for each in ids
    ]
    with warehouse.transaction() as transaction:
        known = _count_heads(transaction, deletion.center_id, deletion.resource_type, None)
        leaving = _count_heads(transaction, deletion.center_id, deletion.resource_type, ids)
        if limit.forbids(leaving, known):
            raise too_many(deletion.center_id, deletion.resource_type, leaving, known)
        departed = _depart(transaction, rows)
        _settle(transaction, deletion, ids)
        if departed:
            append(transaction, _event(deletion, deletion.noticed_at, departed, limit.is_lifted))
    return departed


def _event(where: Reconciliation | Deletion, at: dt.datetime, departed: int, is_lifted: bool) -> Event:
    """What the audit log says of resources that left; a lifted limit was lifted by an operator."""
    subject = f"center {where.center_id} {where.resource_type}"
    details = {"run": where.run_id, "resources": departed, "limit": "lifted" if is_lifted else "kept"}
    return Event("deletion", at, subject, "left the warehouse", details)


def too_many(center_id: str, resource_type: str, leaving: int, known: int) -> IncompleteError:
    """The error that holds back more departures than the limit allows."""
    return IncompleteError(
        f"Center {center_id}: {leaving} of {known} {resource_type} resources would leave the warehouse, more "
        "than ingest.max_deleted_percent allows; none left. If the center says that this is right, run "
        f"`cryocohort sync --accept-deletions {center_id}`.",
        "ask the center what happened to its data first: an outage and a lost permission look the same.",
    )


def is_due(
    warehouse: Warehouse, center_id: str, resource_type: str, now: dt.datetime, every: dt.timedelta
) -> bool:
    """Whether the last reconciliation of the type, or else its first landing, is that many days ago.

    Days are compared and not hours: nights that begin a few minutes earlier or later keep their rhythm.
    """
    (row,) = warehouse.rows(
        "SELECT coalesce("
        "(SELECT max(finished_at) FROM ops.reconciliation "
        "WHERE center_id = $center AND resource_type = $type), "
        "(SELECT min(finished_at) FROM ops.step WHERE center_id = $center AND resource_type = $type)"
        ") AS last",
        {"center": center_id, "type": resource_type},
    )
    last: dt.datetime | None = row["last"]
    return last is not None and now.astimezone(dt.UTC).date() - last.date() >= every


def known_versions(warehouse: Warehouse, center_id: str, resource_type: str) -> dict[str, KnownVersion]:
    """The current resources of a type, by id."""
    rows = warehouse.rows(
        "SELECT resource_id, version_id, last_updated FROM ops.head "
        "WHERE center_id = ? AND resource_type = ?",
        [center_id, resource_type],
    )
    return {row["resource_id"]: KnownVersion(**row) for row in rows}


def quarantined(warehouse: Warehouse, center_id: str, resource_type: str) -> dict[str, int]:
    """The run that last saw a fault of the gate, by id, where one is open; '' stands for those without id."""
    rows = warehouse.rows(
        "SELECT resource_id, max(last_run_id) AS last_run_id FROM ops.quarantine "
        "WHERE is_open AND rule <> 'view' AND center_id = ? AND resource_type = ? GROUP BY resource_id",
        [center_id, resource_type],
    )
    return {row["resource_id"]: row["last_run_id"] for row in rows}


def former_members(warehouse: Warehouse, center_id: str) -> set[str]:
    """The ids of patients that were members of the cohort and are not any more."""
    rows = warehouse.rows(
        "SELECT patient_id FROM ops.cohort_member WHERE center_id = ? AND left_run_id IS NOT NULL",
        [center_id],
    )
    return {row["patient_id"] for row in rows}


def come_back(transaction: Transaction, place: Row, resource_ids: Sequence[str]) -> None:
    """Note that resources that had left were received again by the run of `place`."""
    # Mostly none has left, and a list of thousands of ids is dear to bind.
    is_any = (
        "SELECT count(*) > 0 FROM ops.departure "
        "WHERE back_run_id IS NULL AND center_id = ? AND resource_type = ?"
    )
    if not resource_ids or not transaction.value(is_any, [place["center_id"], place["resource_type"]]):
        return
    transaction.execute(
        "UPDATE ops.departure SET back_run_id = $run::INTEGER WHERE back_run_id IS NULL "
        "AND center_id = $center AND resource_type = $type AND resource_id IN (SELECT unnest($ids))",
        {
            "run": place["run_id"],
            "center": place["center_id"],
            "type": place["resource_type"],
            "ids": list(resource_ids),
        },
    )


def _departures(found: Reconciliation) -> list[Row]:
    return [
        {
            "center_id": found.center_id,
            "resource_type": found.resource_type,
            "resource_id": resource_id,
            "reason": reason,
            "noticed_at": found.finished_at,
            "run_id": found.run_id,
        }
        for resource_id, reason in sorted(found.departed.items())
    ]


_MOVE = """
INSERT INTO ops.departure BY NAME
SELECT leaving.*, head.content_hash, head.path
FROM leaving INNER JOIN ops.head AS head USING (center_id, resource_type, resource_id)
"""
_REMOVE = """
DELETE FROM ops.head AS head USING leaving
WHERE head.center_id = leaving.center_id AND head.resource_type = leaving.resource_type
AND head.resource_id = leaving.resource_id
"""


def _depart(transaction: Transaction, leaving: Sequence[Row]) -> int:
    if not leaving:
        return 0
    count = "SELECT count(*) FROM leaving SEMI JOIN ops.head USING (center_id, resource_type, resource_id)"
    with transaction.staged("leaving", leaving):
        departed: int = transaction.value(count)
        transaction.execute(_MOVE)
        transaction.execute(_REMOVE)
    return departed


def _count_heads(
    transaction: Transaction, center_id: str, resource_type: str, ids: Sequence[str] | None
) -> int:
    counted: int = transaction.value(
        "SELECT count(*) FROM ops.head WHERE center_id = $center AND resource_type = $type "
        "AND ($ids IS NULL OR resource_id IN (SELECT unnest($ids::VARCHAR[])))",
        {"center": center_id, "type": resource_type, "ids": None if ids is None else list(ids)},
    )
    return counted


def _settle(transaction: Transaction, where: Reconciliation | Deletion, ids: Sequence[str]) -> None:
    """Close the open faults of resources that are no longer there."""
    transaction.execute(
        "UPDATE ops.quarantine SET is_open = FALSE WHERE is_open AND rule <> 'view' "
        "AND center_id = ? AND resource_type = ? AND resource_id IN (SELECT unnest(?::VARCHAR[]))",
        [where.center_id, where.resource_type, list(ids)],
    )


def _end_membership(transaction: Transaction, found: Reconciliation) -> None:
    """Ask for these patients no longer; should one come back, the whole history is read again."""
    if not found.ended_members:
        return
    place = {"center": found.center_id, "ids": list(found.ended_members)}
    transaction.execute(
        "UPDATE ops.cohort_member SET left_run_id = $run::INTEGER "
        "WHERE center_id = $center AND patient_id IN (SELECT unnest($ids))",
        place | {"run": found.run_id},
    )
    transaction.execute(
        "DELETE FROM ops.coverage WHERE center_id = $center AND patient_id IN (SELECT unnest($ids))", place
    )


def _ledger_row(found: Reconciliation, departed: int) -> Row:
    return {
        "run_id": found.run_id,
        "center_id": found.center_id,
        "resource_type": found.resource_type,
        "heads": found.heads,
        "seen": found.seen,
        "departed": departed,
        "lagging": found.lagging,
        "is_limit_lifted": found.is_limit_lifted,
        "finished_at": found.finished_at,
    }
