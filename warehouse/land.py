"""Landing: one unit of work (a page or a batch of patients) becomes durable in one transaction.

Segment, current versions, watermarks, cohort members, quarantine and counts move together or not at all.
Landing the same unit again changes nothing but its step row: the content hash decides what is new.
"""

import contextlib
from collections.abc import Sequence

from mappings.errors import WarehouseError
from warehouse import departures, quarantine
from warehouse.connection import Row, Transaction, Warehouse
from warehouse.segments import Segment, is_listed, segment_path, write_segment
from warehouse.unit import Covered, LandCounts, Landed, Quarantined, Unit
from warehouse.versions import Accepted, accepted_versions, move_heads

__all__ = [
    "Covered",
    "LandCounts",
    "Landed",
    "Quarantined",
    "Unit",
    "coverage",
    "current_hashes",
    "land",
    "members",
]


def land(warehouse: Warehouse, unit: Unit) -> LandCounts:
    """Make a unit durable; on any failure nothing of it is kept.

    A resource counts as unchanged when its content is the current one already, or when it is an older version
    than the current one. Of several versions inside the unit the newest is kept.
    """
    written: Segment | None = None
    # Held beyond the transaction: another thread may take the same segment number as soon as this one fails.
    with warehouse.exclusive():
        try:
            with warehouse.transaction() as transaction:
                accepted = accepted_versions(transaction, unit)
                changed = [entry.version for entry in accepted if entry.is_changed]
                if changed:
                    written = _write(transaction, warehouse, unit, changed)
                    _list(transaction, unit, written)
                move_heads(transaction, unit, accepted, written.path if written else "")
                quarantine.settle(transaction, unit, [entry.version.resource_id for entry in accepted])
                departures.come_back(transaction, _place(unit), _new_ids(accepted))
                _add_members(transaction, unit)
                _move_watermarks(transaction, unit)
                counts = _counts(unit, accepted)
                _add_step(transaction, unit, counts)
        except BaseException:
            if written is not None:
                _remove_unless_listed(warehouse, written)
            raise
    return counts


def coverage(warehouse: Warehouse, center_id: str, resource_type: str) -> dict[str, Covered]:
    """Return what has been read completely, by patient id ('' for the cohort query)."""
    rows = warehouse.rows(
        "SELECT patient_id, fingerprint, watermark FROM ops.coverage "
        "WHERE center_id = ? AND resource_type = ? ORDER BY patient_id",
        [center_id, resource_type],
    )
    return {row["patient_id"]: Covered(**row) for row in rows}


def members(warehouse: Warehouse, center_id: str) -> list[str]:
    """Return the ids of the center's patients that belong to the cohort, sorted."""
    rows = warehouse.rows(
        "SELECT patient_id FROM ops.cohort_member WHERE center_id = ? AND left_run_id IS NULL "
        "ORDER BY patient_id",
        [center_id],
    )
    return [row["patient_id"] for row in rows]


def current_hashes(
    warehouse: Warehouse, center_id: str, resource_type: str, resource_ids: Sequence[str]
) -> dict[str, str]:
    """Return the content hashes of the current versions of these resources, by id, as far as known."""
    if not resource_ids:
        return {}
    rows = warehouse.rows(
        "SELECT resource_id, content_hash FROM ops.head "
        "WHERE center_id = ? AND resource_type = ? AND resource_id IN (SELECT unnest(?))",
        [center_id, resource_type, list(resource_ids)],
    )
    return {row["resource_id"]: row["content_hash"] for row in rows}


def _place(unit: Unit) -> Row:
    return {"run_id": unit.run_id, "center_id": unit.center_id, "resource_type": unit.resource_type}


def _write(transaction: Transaction, warehouse: Warehouse, unit: Unit, changed: Sequence[Landed]) -> Segment:
    number = transaction.value(
        "SELECT count(*) + 1 FROM ops.segment WHERE run_id = ? AND center_id = ? AND resource_type = ?",
        [unit.run_id, unit.center_id, unit.resource_type],
    )
    path = segment_path(unit.center_id, unit.resource_type, unit.run_id, number)
    return write_segment(warehouse.folder, path, _raw_columns(unit, changed))


def _list(transaction: Transaction, unit: Unit, segment: Segment) -> None:
    listed = {"path": segment.path, "versions": segment.versions, "sha256": segment.sha256}
    transaction.insert("ops.segment", [_place(unit) | listed])


def _raw_columns(unit: Unit, versions: Sequence[Landed]) -> dict[str, list[object]]:
    """The columns of a raw segment: columns and not rows, because rows cost as much as all the rest."""
    place = {name: [value] * len(versions) for name, value in _place(unit).items()}
    return place | {
        "resource_id": [version.resource_id for version in versions],
        "version_id": [version.version_id for version in versions],
        "last_updated": [version.last_updated for version in versions],
        "content_hash": [version.content_hash for version in versions],
        "body": [version.body for version in versions],
    }


def _new_ids(accepted: Sequence[Accepted]) -> list[str]:
    return [entry.version.resource_id for entry in accepted if entry.before is None]


def _add_members(transaction: Transaction, unit: Unit) -> None:
    if not unit.members:
        return
    transaction.execute(
        "UPDATE ops.cohort_member SET left_run_id = NULL "
        "WHERE left_run_id IS NOT NULL AND center_id = $center AND patient_id IN (SELECT unnest($members))",
        {"center": unit.center_id, "members": list(unit.members)},
    )
    transaction.execute(
        "INSERT INTO ops.cohort_member (center_id, patient_id, run_id) "
        "SELECT DISTINCT $center, found.patient_id, $run::INTEGER "
        "FROM (SELECT unnest($members) AS patient_id) AS found ANTI JOIN ops.cohort_member AS known "
        "ON known.center_id = $center AND known.patient_id = found.patient_id",
        {"center": unit.center_id, "run": unit.run_id, "members": list(unit.members)},
    )


def _move_watermarks(transaction: Transaction, unit: Unit) -> None:
    if not unit.covered:
        return
    # Keyed by patient: of two entries for one patient the later stands.
    rows = {
        entry.patient_id: _place(unit)
        | {"patient_id": entry.patient_id, "fingerprint": entry.fingerprint, "watermark": entry.watermark}
        for entry in unit.covered
    }
    transaction.execute(
        "DELETE FROM ops.coverage WHERE center_id = ? AND resource_type = ? "
        "AND patient_id IN (SELECT unnest(?))",
        [unit.center_id, unit.resource_type, list(rows)],
    )
    transaction.insert("ops.coverage", list(rows.values()))


def _counts(unit: Unit, accepted: Sequence[Accepted]) -> LandCounts:
    refused = {(fault.resource_id, fault.content_hash) for fault in unit.quarantined}
    changed = sum(entry.is_changed for entry in accepted)
    new = sum(entry.is_changed and entry.before is None for entry in accepted)
    return LandCounts(unit.received, changed, len(unit.landed) - changed, len(refused), new)


def _add_step(transaction: Transaction, unit: Unit, counts: LandCounts) -> None:
    numbers = {
        "received": counts.received,
        "landed": counts.landed,
        "unchanged": counts.unchanged,
        "quarantined": counts.quarantined,
        "warnings": unit.warnings,
    }
    transaction.insert("ops.step", [_place(unit) | numbers | {"finished_at": unit.finished_at}])


def _remove_unless_listed(warehouse: Warehouse, written: Segment) -> None:
    # Where the ledger cannot be read, or the disk refuses, it stays: unlisted it is ignored, listed needed.
    with contextlib.suppress(WarehouseError, OSError):
        if not is_listed(warehouse, written):
            (warehouse.folder / written.path).unlink(missing_ok=True)
