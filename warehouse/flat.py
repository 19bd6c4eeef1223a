"""Flat tables: the rows that views read out of the current resources, typed as text, numbers and booleans.

Every center is read by the view of its FHIR version, or by its own view of the same table where its folder
has one; all centers' rows stand in one table. A resource that a view cannot be evaluated on goes into the
quarantine and leaves the others alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path

from mappings.compiler import CompiledView, compile_view
from mappings.errors import ViewError, WarehouseError
from mappings.viewdef import NamedView, load_views
from warehouse.connection import Transaction
from warehouse.names import with_names
from warehouse.quarantine import ViewReject, replace_view_rejects
from warehouse.segments import current_segments
from warehouse.tables import TableCount, count_rows, describe

CARRIED = {"center_id": "Center that sent the resource.", "run_id": "Run that landed this version."}

# The current versions of one resource type at some centers: each head's row in the segment it points to.
_RESOURCE = """
WITH resource AS (
    SELECT
        head.center_id,
        center.base_url,
        head.resource_type,
        head.resource_id,
        head.run_id,
        head.content_hash,
        stored.body,
    FROM read_parquet($files, hive_partitioning = FALSE, filename = TRUE) AS stored
    INNER JOIN ops.head AS head
        ON stored.center_id = head.center_id
        AND stored.resource_type = head.resource_type
        AND stored.resource_id = head.resource_id
        AND stored.filename = concat($folder, '/', head.path)
    INNER JOIN (SELECT unnest($centers) AS center_id, unnest($base_urls) AS base_url) AS center
        ON head.center_id = center.center_id
)
"""
_REJECTED = """
SELECT center_id, resource_id, resource.content_hash, rejected.reason
FROM resource INNER JOIN (
"""


@dataclass(frozen=True, slots=True)
class BuildCenter:
    """A center as the build sees it; `views_folder` holds the views it shapes differently, if any."""

    center_id: str
    base_url: str
    fhir_version: str
    views_folder: Path | None = None


@dataclass(frozen=True, slots=True)
class FlatPart:
    """The part of a flat table that one view fills, and the centers it reads."""

    table: str
    view: CompiledView
    centers: tuple[BuildCenter, ...]

    @property
    def columns(self) -> list[str]:
        """Names of the view's own columns."""
        return [column.name for column in self.view.columns]


def plan_flat(centers: Sequence[BuildCenter], views: Traversable) -> list[FlatPart]:
    """Decide which view reads which center, and compile each once.

    Raises ViewError when a table lacks a view for a center's FHIR version or two views of a table differ in
    their columns.
    """
    shipped = load_views(views)
    own = {center.center_id: load_views(center.views_folder) for center in centers if center.views_folder}
    parts: list[FlatPart] = []
    for table in dict.fromkeys(view.table for view in shipped):
        chosen: dict[tuple[str, str], tuple[NamedView, list[BuildCenter]]] = {}
        for center in centers:
            view = _view_of(center, table, (own.get(center.center_id, []), shipped))
            key = (str(view.path), center.fhir_version)
            chosen.setdefault(key, (view, []))[1].append(center)
        parts.extend(_compiled(view, readers) for view, readers in chosen.values())
    _require_equal_columns(parts)
    return parts


def _view_of(center: BuildCenter, table: str, sources: Sequence[Sequence[NamedView]]) -> NamedView:
    for views in sources:
        for view in views:
            if view.table == table and view.fhir_version in (None, center.fhir_version):
                return view
    raise ViewError(
        f"No view fills {table} for FHIR {center.fhir_version}, the version of center {center.center_id}.",
        f"Add {table}.{center.fhir_version.lower()}.json.",
    )


def _compiled(view: NamedView, centers: Sequence[BuildCenter]) -> FlatPart:
    compiled = compile_view(view.view, fhir_version=centers[0].fhir_version, carry=tuple(CARRIED))
    return FlatPart(view.table, compiled, tuple(centers))


def _require_equal_columns(parts: Sequence[FlatPart]) -> None:
    first: dict[str, FlatPart] = {}
    for part in parts:
        other = first.setdefault(part.table, part)
        if part.columns != other.columns:
            raise ViewError(
                f"The views of {part.table} give different columns: {', '.join(part.columns)} for "
                f"{_names(part)}, {', '.join(other.columns)} for {_names(other)}.",
                "Give every view of a table the same columns in the same order.",
            )


def _names(part: FlatPart) -> str:
    return ", ".join(center.center_id for center in part.centers)


def build_flat(
    transaction: Transaction, parts: Sequence[FlatPart], *, run_id: int, folder: Path
) -> list[TableCount]:
    """Make every flat table anew from the current resources, and note what the views refused."""
    rejects: list[ViewReject] = []
    tables = dict.fromkeys(part.table for part in parts)
    for table in tables:
        _create(transaction, next(part for part in parts if part.table == table))
    for part in parts:
        source = _source(transaction, part, folder)
        if source is not None:
            _fill(transaction, part, source)
            rejects.extend(_rejects(transaction, part, source))
    replace_view_rejects(transaction, run_id, rejects)
    return [TableCount(f"flat.{table}", count_rows(transaction, f"flat.{table}")) for table in tables]


def _create(transaction: Transaction, part: FlatPart) -> None:
    table = f"flat.{part.table}"
    typed = {"center_id": "VARCHAR", "run_id": "INTEGER"}
    typed |= {column.name: column.sql_type for column in part.view.columns}
    columns = ", ".join(with_names("{name} ", name=name) + sql_type for name, sql_type in typed.items())
    transaction.execute(with_names("CREATE OR REPLACE TABLE {table}", table=table) + f" ({columns})")
    meanings = CARRIED | {column.name: column.description for column in part.view.columns}
    describe(transaction, table, f"{part.view.resource} as sent: the view {part.table}.", meanings)


def _source(transaction: Transaction, part: FlatPart, folder: Path) -> Mapping[str, object] | None:
    """The values bound in `_RESOURCE`, or None when nothing of this type has been landed."""
    center_ids = [center.center_id for center in part.centers]
    segments = current_segments(transaction, center_ids, part.view.resource)
    if not segments:
        return None
    return {
        "files": [f"{folder}/{path}" for path in segments],
        "folder": str(folder),
        "centers": center_ids,
        "base_urls": [center.base_url for center in part.centers],
    }


def _fill(transaction: Transaction, part: FlatPart, source: Mapping[str, object]) -> None:
    insert = with_names("INSERT INTO {table}", table=f"flat.{part.table}")
    statement = "\n".join([insert, _RESOURCE, "SELECT * FROM (", part.view.sql, ") AS made"])
    try:
        transaction.execute(statement, source)
    except WarehouseError as error:
        raise ViewError(
            f"The view {part.table} cannot be evaluated for center {_names(part)}. {error.message}",
            "Correct the view.",
        ) from None


def _rejects(transaction: Transaction, part: FlatPart, source: Mapping[str, object]) -> list[ViewReject]:
    statement = "\n".join(
        [_RESOURCE, _REJECTED, part.view.rejects_sql, ") AS rejected USING (center_id, resource_id)"]
    )
    rows = transaction.rows(statement, source)
    return [ViewReject(table=part.table, resource_type=part.view.resource, **row) for row in rows]
