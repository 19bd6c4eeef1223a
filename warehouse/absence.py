"""Absence: resources that a complete export lacks while nobody has said that they are gone.

One complete export without a resource is no evidence that it was deleted; a second one in a row, made
later, may be (ingest/export_evidence.py decides). The ledger remembers which export was the first.
"""

import datetime as dt
from collections.abc import Sequence

from warehouse.connection import Row, Transaction, Warehouse


def absent_since(warehouse: Warehouse, center_id: str, resource_type: str) -> dict[str, dt.datetime]:
    """The transaction time of the first export in a row that lacks a resource, by id."""
    rows = warehouse.rows(
        "SELECT resource_id, delivered_at FROM ops.absence WHERE center_id = ? AND resource_type = ?",
        [center_id, resource_type],
    )
    return {row["resource_id"]: row["delivered_at"] for row in rows}


def note_absent(
    transaction: Transaction, place: Row, resource_ids: Sequence[str], delivered_at: dt.datetime | None
) -> None:
    """Remember what this export lacks (the earliest export stands) and forget what has left or come back.

    `place` names center, type and run. Without `delivered_at` no export was compared and nothing changes.
    """
    if delivered_at is None:
        return
    bound = {"center": place["center_id"], "type": place["resource_type"], "ids": list(resource_ids)}
    transaction.execute(
        "DELETE FROM ops.absence WHERE center_id = $center AND resource_type = $type "
        "AND resource_id NOT IN (SELECT unnest($ids::VARCHAR[]))",
        bound,
    )
    transaction.execute(
        "INSERT INTO ops.absence BY NAME "
        "SELECT $center AS center_id, $type AS resource_type, lacking.resource_id, "
        "$delivered AS delivered_at, $run::INTEGER AS run_id "
        "FROM (SELECT unnest($ids::VARCHAR[]) AS resource_id) AS lacking ANTI JOIN ops.absence AS known "
        "ON known.center_id = $center AND known.resource_type = $type "
        "AND known.resource_id = lacking.resource_id",
        bound | {"delivered": delivered_at, "run": place["run_id"]},
    )
