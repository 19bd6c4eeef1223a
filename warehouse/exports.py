"""Exports under way: what a center makes for us, noted before it is waited for.

A process that ends while a center works takes the same export up again instead of asking for another.
"""

import dataclasses
import datetime as dt
from dataclasses import dataclass

from warehouse.connection import Warehouse


@dataclass(frozen=True, slots=True)
class OpenExport:
    """An export that was asked for; instants are aware UTC.

    `fingerprint` is of what was asked apart from `since` (None: everything). `server_time` is when it was
    asked for, by the server's clock or ours, whichever was earlier.
    """

    center_id: str
    fingerprint: str
    status_url: str
    since: dt.datetime | None
    kicked_off_at: dt.datetime
    server_time: dt.datetime
    run_id: int


def open_exports(warehouse: Warehouse, center_id: str) -> list[OpenExport]:
    """Return the center's exports that were not read to their end, the newest first."""
    rows = warehouse.rows(
        "SELECT center_id, fingerprint, status_url, since, kicked_off_at, server_time, run_id "
        "FROM ops.export WHERE center_id = ? ORDER BY kicked_off_at DESC",
        [center_id],
    )
    return [OpenExport(**row) for row in rows]


def note_export(warehouse: Warehouse, export: OpenExport) -> None:
    """Make an export durable that a server has just accepted."""
    with warehouse.transaction() as transaction:
        transaction.insert("ops.export", [dataclasses.asdict(export)])


def forget_export(warehouse: Warehouse, export: OpenExport) -> None:
    """Remove an export that was read to its end or given up."""
    with warehouse.transaction() as transaction:
        transaction.execute(
            "DELETE FROM ops.export WHERE center_id = ? AND status_url = ?",
            [export.center_id, export.status_url],
        )
