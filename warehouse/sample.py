"""Views and codes tried on a few resources, in a database in memory: nothing of the warehouse is opened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

import duckdb

from mappings.errors import StatementError, ViewError
from mappings.terminology import MappedCode
from warehouse.built import BuildLedger
from warehouse.catalog import count_rows
from warehouse.flat_plan import BuildCenter, FlatPart, plan_flat
from warehouse.migrate import migrate
from warehouse.names import with_names
from warehouse.terms import find_unmapped, load_codes
from warehouse.transaction import Transaction
from warehouse.unit import Landed

_VIEWS = files("mappings") / "views"


@dataclass(frozen=True, slots=True)
class ViewTried:
    """What one view made of the sample: rows of its table, resources it could not be evaluated on and why."""

    table: str
    resource_type: str
    resources: int
    rows: int
    rejected: int
    reason: str


@dataclass(frozen=True, slots=True)
class CodesTried:
    """Codings of one element: how many, how many mean something to the study, the systems of the others."""

    resource_type: str
    element: str
    codings: int
    mapped: int
    unmapped_systems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SampleTried:
    """What views and code map make of a sample."""

    views: tuple[ViewTried, ...]
    codes: tuple[CodesTried, ...]


def try_sample(
    center: BuildCenter,
    sample: Sequence[Landed],
    code_map: Sequence[MappedCode],
    aliases: Mapping[str, str],
    views: Traversable = _VIEWS,
) -> SampleTried:
    """Run the center's views over `sample` (resources as they would be stored) and look their codes up.

    Raises ViewError for a view that breaks its contract or cannot be evaluated at all.
    """
    parts = plan_flat([center], views)
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET temp_directory = ''")  # nothing of a patient is spilled to the disk
        connection.execute("SET enable_external_access = false")
        connection.execute("SET TimeZone = 'UTC'")
        migrate(connection)
        transaction = Transaction(connection)
        _stage(transaction, center, sample)
        tried = [_try_view(transaction, part) for part in parts]
        ledger = BuildLedger(transaction)
        load_codes(transaction, code_map, aliases, ledger)
        find_unmapped(transaction, parts, ledger)
        return SampleTried(tuple(tried), tuple(_codes(transaction)))


def _stage(transaction: Transaction, center: BuildCenter, sample: Sequence[Landed]) -> None:
    """The sample as the relation that compiled views read."""
    transaction.execute(
        "CREATE TEMP TABLE resource (center_id TEXT, base_url TEXT, resource_type TEXT, resource_id TEXT, "
        "run_id INTEGER, body TEXT)"
    )
    if not sample:
        return
    rows = [
        {
            "center_id": center.center_id,
            "base_url": center.base_url,
            "resource_type": each.resource_type,
            "resource_id": each.resource_id,
            "run_id": 0,
            "body": each.body,
        }
        for each in sample
    ]
    with transaction.staged("incoming_rows", rows):
        transaction.execute("INSERT INTO resource BY NAME SELECT * FROM incoming_rows")


def _try_view(transaction: Transaction, part: FlatPart) -> ViewTried:
    create = with_names("CREATE TABLE {table} AS", table=f"flat.{part.table}")
    try:
        transaction.execute("\n".join([create, "SELECT * FROM (", part.view.sql, ") AS made"]))
        rejects = transaction.rows(part.view.rejects_sql)
    except StatementError as error:
        raise ViewError(
            f"The view {part.table} cannot be evaluated. {error.message}",
            f"Correct {part.table}.json: the center's own in its folder views, or the shipped one.",
        ) from None
    resources = transaction.value(
        "SELECT count(*) FROM resource WHERE resource_type = ?", [part.view.resource]
    )
    return ViewTried(
        table=part.table,
        resource_type=part.view.resource,
        resources=resources,
        rows=count_rows(transaction, f"flat.{part.table}"),
        rejected=len(rejects),
        reason="; ".join(sorted({row["reason"] for row in rejects})),
    )


def _codes(transaction: Transaction) -> list[CodesTried]:
    rows = transaction.rows(
        "SELECT resource_type, element, codings, mapped_codings AS mapped, list_sort(("
        "SELECT coalesce(list(DISTINCT system), []) FROM ops.unmapped AS unknown "
        "WHERE unknown.resource_type = coverage.resource_type AND unknown.element = coverage.element"
        ")) AS unmapped_systems FROM ops.code_coverage AS coverage ORDER BY resource_type, element"
    )
    return [CodesTried(**row | {"unmapped_systems": tuple(row["unmapped_systems"])}) for row in rows]
