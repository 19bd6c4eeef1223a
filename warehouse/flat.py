"""Flat tables: the rows that views read out of the current resources, typed as text, numbers and booleans.

They are brought up to date, not made anew: only what `ops.head` holds differently from them is read again,
and its rows are replaced by key. Another view or base URL fills that center's part of that table again,
whole. A resource that a view cannot be evaluated on goes into the quarantine and leaves the others alone.
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import duckdb

from mappings.errors import StatementError, ViewError
from warehouse.built import BuiltTable
from warehouse.catalog import count_all, describe, existing_tables
from warehouse.connection import Transaction
from warehouse.flat_ledger import (
    DUE,
    HELD,
    DueCount,
    Fill,
    drop_due,
    forget_fills,
    hold_due,
    known_fills,
    note_fills,
    paths_of,
    stage_due,
)
from warehouse.flat_plan import CARRIED, BuildCenter, FlatPart, FlatTable, flat_tables
from warehouse.flat_source import RELATION, Stored, stored_in
from warehouse.names import with_names
from warehouse.owner import NUMBER_TYPE, NUMBERS, OWNER_NUMBER, key_number, number_of, numbered
from warehouse.quarantine import ViewReject, close_due_rejects, close_view_rejects, open_view_rejects
from warehouse.segments import require_intact
from warehouse.touched import touch_due, touch_named_before, touch_table

_CONTENT = """
SELECT center_id, resource_id, content_hash FROM ops.head
WHERE resource_type = ? AND center_id IN (SELECT unnest(?)) AND resource_id IN (SELECT unnest(?))
"""
# The key of a resource begins with its center. Numbers find the rows (materialized, as the texts of all rows
# would be compared otherwise), texts tell them from others of one number, row ids find them thereafter.
_STAGE_REPLACED = """
CREATE OR REPLACE TEMP TABLE flat_replaced AS
WITH due AS (
    SELECT
        center_id || '/' || resource_id AS resource_key,
        {number} AS resource_number,
    FROM flat_due WHERE resource_type = ? AND center_id = ?
),

alike AS MATERIALIZED (
    SELECT made.rowid AS alike_row, made.{{key}} AS alike_key FROM {{table}} AS made
    SEMI JOIN due ON made.{{owner}} = due.resource_number
)

SELECT alike_row AS replaced_row FROM alike SEMI JOIN due ON alike_key = resource_key
"""
_DELETE_REPLACED = "DELETE FROM {table} WHERE rowid IN (FROM flat_replaced)"
_FIRST, _NEW_VIEW, _NEW_URL = "first build", "view changed", "base URL changed"
_NO_KEY, _REMOVED = "changed resources, and a view without getResourceKey()", "no longer configured"


def update_flat(
    transaction: Transaction, parts: Sequence[FlatPart], *, run_id: int, folder: Path
) -> list[BuiltTable]:
    """Bring every flat table up to the current resources, and note what the views refused.

    A table that no view fills any more is dropped. Raises ViewError for a view that cannot be evaluated,
    WarehouseError when a raw segment that must be read is not what was landed.
    """
    tables = flat_tables(parts)
    due = stage_due(transaction, parts)
    hold_due(transaction)
    touch_due(transaction)
    update = _Update(transaction, run_id, folder, due)
    update.drop_all_but(tables)
    reasons = {f"flat.{table.name}": update.bring_up(table) for table in tables}
    drop_due(transaction)
    rows = count_all(transaction, list(reasons))
    return [BuiltTable(name, rows[name], why) for name, why in reasons.items()]


class _Update:
    """One pass over the flat tables: what is due, how they were filled, which segments were verified."""

    def __init__(
        self,
        transaction: Transaction,
        run_id: int,
        folder: Path,
        due: Mapping[tuple[str, str], DueCount],
    ) -> None:
        self._transaction = transaction
        self._run_id = run_id
        self._folder = folder
        self._due = due
        self._existing = existing_tables(transaction)
        self._fills = known_fills(transaction)
        self._verified: set[str] = set()

    def drop_all_but(self, tables: Sequence[FlatTable]) -> None:
        """Drop the tables whose view is gone, with their rejects."""
        for name in self._fills.keys() - {table.name for table in tables}:
            centers = list(self._fills[name])
            self._transaction.execute(with_names("DROP TABLE IF EXISTS {table}", table=f"flat.{name}"))
            close_view_rejects(self._transaction, name, centers)
            forget_fills(self._transaction, name, centers)
            touch_table(self._transaction, name)

    def bring_up(self, table: FlatTable) -> tuple[str, ...]:
        """Bring one table up to date; returns what was done for which center."""
        wanted, known = _wanted(table), self._fills.get(table.name, {})
        stale = self._stale(table, known if f"flat.{table.name}" in self._existing else {}, wanted)
        removed = {center_id: _REMOVED for center_id in known if center_id not in wanted}
        if stale.keys() >= wanted.keys():
            create_table(self._transaction, table)
        elif stale or removed:
            self._clear(table, [*stale, *removed])
        if stale or removed:
            close_view_rejects(self._transaction, table.name, [*stale, *removed])
            touch_table(self._transaction, table.name)
        reasons = removed | stale
        for part in table.parts:
            reasons |= self._bring_up_part(part, stale)
        forget_fills(self._transaction, table.name, list(removed))
        changed = {center_id: fill for center_id, fill in wanted.items() if center_id in reasons}
        note_fills(self._transaction, table.name, changed)
        return _grouped(reasons)

    def _stale(
        self, table: FlatTable, known: Mapping[str, Fill], wanted: Mapping[str, Fill]
    ) -> dict[str, str]:
        """The centers whose rows must all be made again, with the reason."""
        found = {}
        for part in table.parts:
            for center_id in part.center_ids:
                fill, is_due = known.get(center_id), (center_id, part.view.resource) in self._due
                if fill is None:
                    found[center_id] = _FIRST
                elif fill.view_fingerprint != wanted[center_id].view_fingerprint:
                    found[center_id] = _NEW_VIEW
                elif fill.base_url != wanted[center_id].base_url:
                    found[center_id] = _NEW_URL
                elif is_due and not part.key:
                    found[center_id] = _NO_KEY
        return found

    def _clear(self, table: FlatTable, center_ids: Sequence[str]) -> None:
        delete = with_names(
            "DELETE FROM {table} WHERE center_id IN (SELECT unnest(?))", table=f"flat.{table.name}"
        )
        self._transaction.execute(delete, [list(center_ids)])

    def _bring_up_part(self, part: FlatPart, stale: Collection[str]) -> dict[str, str]:
        """Fill the stale centers of a part and replace what is due at the others; returns why for these."""
        self._fill(part, [center for center in part.centers if center.center_id in stale], HELD)
        reasons = {}
        for center in part.centers:
            due = self._due.get((center.center_id, part.view.resource))
            if due and center.center_id not in stale and self._replace_due(part, center):
                reasons[center.center_id] = _counted(due)
        return reasons

    def _replace_due(self, part: FlatPart, center: BuildCenter) -> bool:
        """Replace the rows of what is due at one center; returns whether there were or are any."""
        table = f"flat.{part.table}"
        stage = with_names(_stage_replaced(), table=table, owner=OWNER_NUMBER, key=part.key)
        self._transaction.execute(stage, [part.view.resource, center.center_id])
        touch_named_before(self._transaction, part, "flat_replaced")
        deleted = self._transaction.value(with_names(_DELETE_REPLACED, table=table))
        close_due_rejects(self._transaction, part.table, part.view.resource, center.center_id)
        return bool(deleted + self._fill(part, [center], DUE))

    def _fill(self, part: FlatPart, centers: Sequence[BuildCenter], heads: str) -> int:
        """Insert the rows of what `heads` lists at these centers; returns how many."""
        if not centers:
            return 0
        stored = self._source(part, centers, heads)
        if not stored.relation:
            return 0
        insert = with_names("INSERT INTO {table} BY NAME", table=f"flat.{part.table}")
        try:
            inserted: int = self._transaction.value(
                f"{insert}\n{stored.relation}\n{_rows_of(part)}", stored.values
            )
        except StatementError as error:
            raise ViewError(
                f"The view {part.table} cannot be evaluated for center "
                f"{', '.join(center.center_id for center in centers)}. {error.message}",
                f"Correct {part.table}.json: the center's own in its folder views, or the shipped one.",
            ) from None
        # Where no row is missing, none was rejected: the bodies need not be read again to tell.
        if not (part.view.is_row_each and inserted == stored.versions):
            self._open_rejects(part, stored)
        return inserted

    def _source(self, part: FlatPart, centers: Sequence[BuildCenter], heads: str) -> Stored:
        """Where the versions that `heads` lists are; the segments are verified before they are read."""
        base_urls = {center.center_id: center.base_url for center in centers}
        paths = paths_of(self._transaction, heads, part.view.resource, list(base_urls))
        require_intact(self._transaction, self._folder, set(paths) - self._verified)
        self._verified.update(paths)
        return stored_in(self._transaction, self._folder, heads, paths, base_urls)

    def _open_rejects(self, part: FlatPart, stored: Stored) -> None:
        rejected = self._transaction.rows(f"{stored.relation}\n{part.view.rejects_sql}", stored.values)
        if not rejected:
            return
        ids = [row["resource_id"] for row in rejected]
        contents = self._transaction.rows(_CONTENT, [part.view.resource, part.center_ids, ids])
        hashes = {(row["center_id"], row["resource_id"]): row["content_hash"] for row in contents}
        rejects = [
            ViewReject(
                **row,
                content_hash=hashes[row["center_id"], row["resource_id"]],
                table=part.table,
                resource_type=part.view.resource,
            )
            for row in rejected
        ]
        open_view_rejects(self._transaction, self._run_id, rejects)


def create_table(transaction: Transaction, table: FlatTable) -> None:
    """Make a flat table anew, empty, with its meanings."""
    name = f"flat.{table.name}"
    typed = {"center_id": "VARCHAR", "run_id": "INTEGER"}
    typed |= {column.name: column.sql_type for column in table.columns}
    typed |= dict.fromkeys(table.numbers, NUMBER_TYPE)
    columns = ", ".join(with_names("{name} ", name=column) + kind for column, kind in typed.items())
    transaction.execute(with_names("CREATE OR REPLACE TABLE {table}", table=name) + f" ({columns})")
    meanings = CARRIED | {column.name: column.description for column in table.columns}
    meanings |= {column: NUMBERS[column] for column in table.numbers}
    resource = table.parts[0].view.resource
    describe(transaction, name, f"{resource} as sent: the view {table.name}.", meanings)


def _stage_replaced() -> str:
    return _STAGE_REPLACED.format(number=number_of("resource_type", key_number("resource_key")))


def _rows_of(part: FlatPart) -> str:
    """The view's rows of the relation `resource`, with the numbers that they carry."""
    return numbered(part.view.sql, part.numbers)


def _wanted(table: FlatTable) -> dict[str, Fill]:
    """By what each center's rows of the table are to be made."""
    return {
        center.center_id: Fill(_fingerprint(table, part), part.base_url(center))
        for part in table.parts
        for center in part.centers
    }


def _fingerprint(table: FlatTable, part: FlatPart) -> str:
    """SHA-256 over everything but the resources and the base URL that a part's rows depend on."""
    columns = [[column.name, column.sql_type, column.description] for column in table.columns]
    view = [part.view.resource, _rows_of(part), part.view.rejects_sql, columns]
    text = json.dumps([*view, CARRIED, *RELATION, duckdb.__version__])
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _counted(due: DueCount) -> str:
    parts = [(due.changed, "new or changed"), (due.gone, "gone")]
    return ", ".join(f"{count} {what}" for count, what in parts if count)


def _grouped(reasons: Mapping[str, str]) -> tuple[str, ...]:
    """Each reason once, with its centers."""
    return tuple(
        f"{reason} ({', '.join(sorted(center for center, why in reasons.items() if why == reason))})"
        for reason in dict.fromkeys(reasons.values())
    )
