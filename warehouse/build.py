"""Build: raw resources -> flat tables (views) -> core tables (SQL files), inside the caller's transaction.

Everything built is dropped first and made anew, so that a removed view or file leaves no table behind. What
the ledger holds stays: raw segments, runs, metric results.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from mappings.terminology import MappedCode
from warehouse.connection import Transaction
from warehouse.flat import BuildCenter, build_flat, plan_flat
from warehouse.names import with_names
from warehouse.rules import StudyRules, write_rules
from warehouse.segments import require_intact
from warehouse.tables import TableCount, build_tables
from warehouse.terms import find_unmapped, load_codes

__all__ = ["BuildCenter", "BuildInput", "BuildSources", "StudyRules", "TableCount", "build", "build_tables"]


@dataclass(frozen=True, slots=True)
class BuildSources:
    """Where views and core files are read from; the shipped ones unless told otherwise."""

    views: Traversable = files("mappings") / "views"
    core: Traversable = files("warehouse") / "core"


@dataclass(frozen=True, slots=True)
class BuildInput:
    """What a build needs besides the warehouse; `aliases` maps spellings of code systems to the canonical."""

    run_id: int
    centers: Sequence[BuildCenter]
    code_map: Sequence[MappedCode]
    aliases: Mapping[str, str]
    rules: StudyRules
    sources: BuildSources = BuildSources()


def build(transaction: Transaction, build_input: BuildInput, *, folder: Path) -> list[TableCount]:
    """Build flat and core tables of the warehouse in `folder` and return them with their row counts.

    Raises ViewError or SqlFileError for a view or file that breaks its contract, WarehouseError when a raw
    segment is not what was landed.
    """
    require_intact(transaction, folder)
    parts = plan_flat(build_input.centers, build_input.sources.views)
    _drop_built(transaction)
    flat = build_flat(transaction, parts, run_id=build_input.run_id, folder=folder)
    load_codes(transaction, build_input.code_map, build_input.aliases)
    find_unmapped(transaction, parts)
    rule = write_rules(transaction, build_input.rules)
    core = [path for path in build_input.sources.core.iterdir() if path.name.endswith(".sql")]
    return [*flat, rule, *build_tables(transaction, sorted(core, key=lambda path: path.name))]


def _drop_built(transaction: Transaction) -> None:
    built = transaction.rows(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = current_database() "
        "AND schema_name IN ('flat', 'core', 'outcomes') AND table_name <> 'metric_result'"
    )
    for row in built:
        name = f"{row['schema_name']}.{row['table_name']}"
        transaction.execute(with_names("DROP TABLE {table}", table=name))
