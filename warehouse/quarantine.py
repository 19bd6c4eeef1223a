"""The quarantine: what the gate or a view refused, kept with its reason until a good version comes."""

from collections.abc import Sequence
from dataclasses import dataclass

from warehouse.connection import Row, Transaction, Warehouse
from warehouse.unit import Unit


@dataclass(frozen=True, slots=True)
class ViewReject:
    """A resource that a view could not be evaluated on, with the reason but not the value."""

    center_id: str
    resource_type: str
    resource_id: str
    content_hash: str
    table: str
    reason: str


def settle(transaction: Transaction, unit: Unit, accepted_ids: Sequence[str]) -> None:
    """Close the faults of resources whose good version was accepted, then open those the unit brings.

    In this order: of a resource that came both good and faulty the fault stays open until a sync brings it
    good only.
    """
    refused_ids = [fault.resource_id for fault in unit.quarantined]
    _close(transaction, unit, [*accepted_ids, *refused_ids])
    faults = list(
        {
            (row["resource_id"], row["content_hash"], row["rule"], row["path"]): row for row in _rows(unit)
        }.values()
    )
    _open(transaction, faults)


def _rows(unit: Unit) -> list[Row]:
    return [
        {
            "center_id": unit.center_id,
            "resource_type": unit.resource_type,
            "resource_id": fault.resource_id,
            "content_hash": fault.content_hash,
            "rule": fault.rule,
            "path": fault.path,
            "message": fault.message,
            "body": fault.body,
            "run_id": unit.run_id,
        }
        for fault in unit.quarantined
    ]


def close_view_rejects(transaction: Transaction, table: str, center_ids: Sequence[str]) -> None:
    """Close every fault that the views of a flat table have found at these centers."""
    transaction.execute(
        "UPDATE ops.quarantine SET is_open = FALSE WHERE is_open AND rule = 'view' "
        "AND path = ? AND center_id IN (SELECT unnest(?))",
        [table, list(center_ids)],
    )


def close_due_rejects(transaction: Transaction, table: str, resource_type: str, center_id: str) -> None:
    """Close the faults of a view in what is due (`flat_due`): another version, or none, is current."""
    transaction.execute(
        "UPDATE ops.quarantine AS known SET is_open = FALSE FROM flat_due AS due "
        "WHERE known.is_open AND known.rule = 'view' AND known.path = ? "
        "AND known.resource_type = ? AND known.center_id = ? AND known.center_id = due.center_id "
        "AND known.resource_type = due.resource_type AND known.resource_id = due.resource_id",
        [table, resource_type, center_id],
    )


def open_view_rejects(transaction: Transaction, run_id: int, rejects: Sequence[ViewReject]) -> None:
    """Open the faults that a view has found; each stays until its resource or the view changes."""
    _open(
        transaction,
        [
            {
                "center_id": reject.center_id,
                "resource_type": reject.resource_type,
                "resource_id": reject.resource_id,
                "content_hash": reject.content_hash,
                "rule": "view",
                "path": reject.table,
                "message": reject.reason,
                "body": None,
                "run_id": run_id,
            }
            for reject in rejects
        ],
    )


def close_faults(
    warehouse: Warehouse, center_id: str, resource_type: str, resource_ids: Sequence[str]
) -> None:
    """Close what the gate found wrong with resources that the center has no more, or that nobody asks for."""
    with warehouse.transaction() as transaction:
        _close_gate_faults(transaction, center_id, resource_type, resource_ids)


def _close(transaction: Transaction, unit: Unit, resource_ids: Sequence[str]) -> None:
    _close_gate_faults(transaction, unit.center_id, unit.resource_type, resource_ids)


def _close_gate_faults(
    transaction: Transaction, center_id: str, resource_type: str, resource_ids: Sequence[str]
) -> None:
    # Mostly none is open, and a list of thousands of ids is dear to bind.
    is_any = (
        "SELECT count(*) > 0 FROM ops.quarantine "
        "WHERE is_open AND rule <> 'view' AND center_id = ? AND resource_type = ?"
    )
    if not resource_ids or not transaction.value(is_any, [center_id, resource_type]):
        return
    transaction.execute(
        "UPDATE ops.quarantine SET is_open = FALSE WHERE is_open AND rule <> 'view' "
        "AND center_id = ? AND resource_type = ? AND resource_id IN (SELECT unnest(?))",
        [center_id, resource_type, list(resource_ids)],
    )


_SAME_FAULT = """
    known.center_id = fault.center_id AND known.resource_type = fault.resource_type
    AND known.resource_id = fault.resource_id AND known.content_hash = fault.content_hash
    AND known.rule = fault.rule AND known.path = fault.path
"""
_REOPEN = f"""
UPDATE ops.quarantine AS known
SET is_open = TRUE, last_run_id = fault.run_id::INTEGER, message = fault.message
FROM fault WHERE {_SAME_FAULT}
"""  # noqa: S608 -- both parts stand above
_ADD = f"""
INSERT INTO ops.quarantine BY NAME
SELECT fault.* EXCLUDE (run_id), run_id AS first_run_id, run_id AS last_run_id, TRUE AS is_open
FROM fault ANTI JOIN ops.quarantine AS known ON {_SAME_FAULT}
"""  # noqa: S608 -- both parts stand above


def _open(transaction: Transaction, faults: Sequence[Row]) -> None:
    if faults:
        with transaction.staged("fault", faults):
            transaction.execute(_REOPEN)
            transaction.execute(_ADD)
