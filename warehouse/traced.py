"""What changed between two runs in the rows that metrics count, with what the ledger knows of the causes."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mappings.errors import WarehouseError
from warehouse.connection import Warehouse

Event = Literal["first landed", "new version", "left", "unchanged"]


@dataclass(frozen=True, slots=True)
class ChangedRow:
    """A core row that differs between two runs; `before` or `after` is None where there is no such row.

    `event` is what happened between them to the resource the row comes from.
    """

    table: str
    row_key: str
    center_id: str
    patient_key: str
    resource_type: str
    resource_key: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    event: Event

    @property
    def columns(self) -> frozenset[str]:
        """The columns that differ; all of them for a row that came or went."""
        before, after = self.before or {}, self.after or {}
        return frozenset(name for name in {*before, *after} if before.get(name) != after.get(name))


@dataclass(frozen=True, slots=True)
class ChangedInput:
    """A rule, a center's codes, a table's definition or the product's version that differs; None: absent."""

    kind: Literal["rule", "codes", "table", "product"]
    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class RunTrace:
    """What differs between two traced runs; `earlier_started_at` is when the first of them began."""

    rows: Sequence[ChangedRow]
    inputs: Sequence[ChangedInput]
    earlier_started_at: dt.datetime


def read_trace(warehouse: Warehouse, earlier: int, later: int) -> RunTrace:
    """What differs between two runs that have results; raises WarehouseError for a run that has none."""
    started = {
        row["run_id"]: row["started_at"]
        for row in warehouse.rows(
            "SELECT run_id, started_at FROM ops.run "
            "WHERE run_id IN (SELECT DISTINCT result.run_id FROM outcomes.metric_result AS result)"
        )
    }
    for run_id in (earlier, later):
        if run_id not in started:
            known = ", ".join(str(number) for number in sorted(started)[-10:]) or "none"
            raise WarehouseError(f"Run {run_id} computed no figures.", f"Name runs that did: {known}.")
    return RunTrace(
        _changed_rows(warehouse, earlier, later), _changed_inputs(warehouse, earlier, later), started[earlier]
    )


_CHANGED_ROWS = """
WITH earlier AS (
    FROM ops.row_history WHERE from_run <= $earlier AND (to_run IS NULL OR to_run > $earlier)
), later AS (
    FROM ops.row_history WHERE from_run <= $later AND (to_run IS NULL OR to_run > $later)
)
SELECT
    coalesce(later.table_name, earlier.table_name) AS "table",
    coalesce(later.row_key, earlier.row_key) AS row_key,
    coalesce(later.center_id, earlier.center_id) AS center_id,
    coalesce(later.patient_key, earlier.patient_key) AS patient_key,
    coalesce(later.resource_type, earlier.resource_type) AS resource_type,
    coalesce(later.resource_key, earlier.resource_key) AS resource_key,
    earlier.content AS "before",
    later.content AS "after"
FROM earlier FULL OUTER JOIN later
    ON earlier.table_name = later.table_name AND earlier.row_key = later.row_key
WHERE earlier.content IS DISTINCT FROM later.content
ORDER BY ALL
"""

_CHANGED_INPUTS = """
WITH earlier AS (
    FROM ops.run_input WHERE from_run <= $earlier AND (to_run IS NULL OR to_run > $earlier)
), later AS (
    FROM ops.run_input WHERE from_run <= $later AND (to_run IS NULL OR to_run > $later)
)
SELECT
    coalesce(later.kind, earlier.kind) AS kind,
    coalesce(later.name, earlier.name) AS name,
    earlier.value AS "before",
    later.value AS "after"
FROM earlier FULL OUTER JOIN later ON earlier.kind = later.kind AND earlier.name = later.name
WHERE earlier.value IS DISTINCT FROM later.value
ORDER BY ALL
"""


def _changed_inputs(warehouse: Warehouse, earlier: int, later: int) -> list[ChangedInput]:
    rows = warehouse.rows(_CHANGED_INPUTS, {"earlier": earlier, "later": later})
    return [ChangedInput(**row) for row in rows]


def _changed_rows(warehouse: Warehouse, earlier: int, later: int) -> list[ChangedRow]:
    rows = warehouse.rows(_CHANGED_ROWS, {"earlier": earlier, "later": later})
    events = _Events(warehouse, earlier, later)
    return [
        ChangedRow(
            **{**row, "before": _content(row["before"]), "after": _content(row["after"])},
            event=events.of(row["center_id"], row["resource_type"], row["resource_key"]),
        )
        for row in rows
    ]


def _content(text: str | None) -> Mapping[str, Any] | None:
    return None if text is None else json.loads(text)


class _Events:
    """What happened to resources between two runs: those that landed, and those that left."""

    def __init__(self, warehouse: Warehouse, earlier: int, later: int) -> None:
        between = {"earlier": earlier, "later": later}
        self._landed = _resources(
            warehouse, "SELECT * FROM ops.head WHERE run_id > $earlier AND run_id <= $later", between
        )
        self._left = _resources(
            warehouse,
            "SELECT * FROM ops.departure WHERE run_id > $earlier AND run_id <= $later "
            "AND (back_run_id IS NULL OR back_run_id > $later)",
            between,
        )
        self._known = self._known_before(warehouse, earlier)

    def _known_before(self, warehouse: Warehouse, earlier: int) -> set[tuple[str, str, str]]:
        """Those of the landed resources that an earlier segment holds in an older version."""
        paths = warehouse.rows("SELECT path FROM ops.segment WHERE run_id <= ?", [earlier])
        if not self._landed or not paths:
            return set()
        rows = warehouse.rows(
            "SELECT DISTINCT center_id, resource_type, resource_id FROM read_parquet(?) "
            "WHERE resource_id IN (SELECT unnest(?))",
            [
                [str(warehouse.folder / row["path"]) for row in paths],
                sorted({resource_id for _, _, resource_id in self._landed}),
            ],
        )
        return {(row["center_id"], row["resource_type"], row["resource_id"]) for row in rows}

    def of(self, center_id: str, resource_type: str, resource_key: str | None) -> Event:
        """What happened to the resource."""
        resource = (center_id, resource_type, (resource_key or "").removeprefix(f"{center_id}/"))
        if resource in self._left:
            return "left"
        if resource in self._landed:
            return "new version" if resource in self._known else "first landed"
        return "unchanged"


def _resources(warehouse: Warehouse, query: str, between: Mapping[str, int]) -> set[tuple[str, str, str]]:
    rows = warehouse.rows(f"SELECT center_id, resource_type, resource_id FROM ({query})", between)  # noqa: S608
    return {(row["center_id"], row["resource_type"], row["resource_id"]) for row in rows}
