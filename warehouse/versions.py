"""Which version of a resource is current: the merge rule, and the ledger of current versions (`ops.head`)."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mappings.errors import WarehouseError
from warehouse.connection import Transaction
from warehouse.unit import Landed, Unit


class Versioned(Protocol):
    """Anything with the meta that tells versions apart."""

    @property
    def version_id(self) -> str | None:
        """meta.versionId."""

    @property
    def last_updated(self) -> dt.datetime | None:
        """meta.lastUpdated, aware."""


@dataclass(frozen=True, slots=True)
class Head:
    """The current version of a resource: its meta as last received, and where its content lies."""

    version_id: str | None
    last_updated: dt.datetime | None
    content_hash: str
    run_id: int
    path: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """A received version that becomes (or stays) current, and the version that was current before."""

    version: Landed
    before: Head | None

    @property
    def is_changed(self) -> bool:
        """Whether its content has to be stored."""
        return self.before is None or self.before.content_hash != self.version.content_hash

    @property
    def is_known(self) -> bool:
        """Whether the ledger says all of it already."""
        before, version = self.before, self.version
        return before is not None and (before.content_hash, before.version_id, before.last_updated) == (
            version.content_hash,
            version.version_id,
            version.last_updated,
        )


def is_newer(version: Versioned, than: Versioned) -> bool:
    """Whether a version received later replaces another: it does unless what it says of itself is older.

    A later instant is enough (a resource that is born again counts from 1), and so is a higher number: the
    nodes of one server stamp by clocks of their own (LinuxForHealth/FHIR#3690). What is neither and has an
    earlier instant or a lower number is older; a version that cannot be told apart replaces what came before.
    """
    mine, other = _number(version.version_id), _number(than.version_id)
    if version.last_updated and than.last_updated and version.last_updated != than.last_updated:
        is_later = version.last_updated > than.last_updated
        return is_later or (mine is not None and other is not None and mine > other)
    return mine is None or other is None or mine >= other


def _number(version_id: str | None) -> int | None:
    return int(version_id) if version_id and version_id.isascii() and version_id.isdigit() else None


def accepted_versions(transaction: Transaction, unit: Unit) -> list[Accepted]:
    """Return the newest version of each resource of the unit that is not older than the current one.

    Of a resource that its server has set back (restored from a backup, say) the older version is accepted.
    """
    newest: dict[str, Landed] = {}
    for version in unit.landed:
        if version.resource_type != unit.resource_type:
            raise WarehouseError(
                f"A unit of {unit.resource_type} holds a {version.resource_type}.", "Report this as a defect."
            )
        known = newest.get(version.resource_id)
        if known is None or is_newer(version, known):
            newest[version.resource_id] = version
    heads = _heads(transaction, unit, list(newest))
    accepted = [Accepted(version, heads.get(resource_id)) for resource_id, version in newest.items()]
    return [
        entry
        for entry in accepted
        if entry.before is None
        or entry.version.resource_id in unit.set_back
        or is_newer(entry.version, entry.before)
    ]


def _heads(transaction: Transaction, unit: Unit, resource_ids: Sequence[str]) -> dict[str, Head]:
    any_head = "SELECT 1 FROM ops.head WHERE center_id = ? AND resource_type = ? LIMIT 1"
    if not resource_ids or not transaction.rows(any_head, [unit.center_id, unit.resource_type]):
        return {}
    rows = transaction.rows(
        "SELECT resource_id, version_id, last_updated, content_hash, run_id, path FROM ops.head "
        "WHERE center_id = ? AND resource_type = ? AND resource_id IN (SELECT unnest(?))",
        [unit.center_id, unit.resource_type, list(resource_ids)],
    )
    return {row.pop("resource_id"): Head(**row) for row in rows}


def move_heads(transaction: Transaction, unit: Unit, accepted: Sequence[Accepted], path: str) -> None:
    """Point the ledger at the accepted versions: changed content lies in `path`, unchanged where it was."""
    moved = [entry for entry in accepted if not entry.is_known]
    known = [entry.version.resource_id for entry in moved if entry.before is not None]
    if known:
        transaction.execute(
            "DELETE FROM ops.head WHERE center_id = ? AND resource_type = ? "
            "AND resource_id IN (SELECT unnest(?))",
            [unit.center_id, unit.resource_type, known],
        )
    if moved:
        transaction.insert_columns("ops.head", _head_columns(unit, moved, path))


def _head_columns(unit: Unit, moved: Sequence[Accepted], path: str) -> dict[str, list[object]]:
    versions = [entry.version for entry in moved]
    stored = [None if entry.is_changed else entry.before for entry in moved]
    return {
        "center_id": [unit.center_id] * len(moved),
        "resource_type": [unit.resource_type] * len(moved),
        "resource_id": [version.resource_id for version in versions],
        "version_id": [version.version_id for version in versions],
        "last_updated": [version.last_updated for version in versions],
        "content_hash": [version.content_hash for version in versions],
        "run_id": [head.run_id if head else unit.run_id for head in stored],
        "path": [head.path if head else path for head in stored],
    }
