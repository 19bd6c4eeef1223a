"""The account of a run: for each center and resource type what was asked, what came and what became of it."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from warehouse.connection import Warehouse

EXPORT = "export"  # stands for the type where an export of all types was asked about


@dataclass(frozen=True, slots=True)
class TypeSync:
    """What one run did at one center for one resource type (or for its `export`).

    `asked` counts queries, `requests` what was sent for them, with repeats, `bytes` bodies as received;
    `seconds` of queries that ran at the same time are added up.
    """

    run_id: int
    center_id: str
    resource_type: str
    asked: int
    received: int
    new: int
    changed: int
    unchanged: int
    deleted: int
    quarantined: int
    seconds: float
    requests: int
    bytes: int


def note_types(warehouse: Warehouse, rows: Sequence[TypeSync]) -> None:
    """Keep the account of a run's centers in the ledger."""
    if rows:
        with warehouse.transaction() as transaction:
            transaction.insert("ops.type_sync", [dataclasses.asdict(row) for row in rows])
