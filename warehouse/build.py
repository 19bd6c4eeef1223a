"""Build: raw resources -> flat tables (views) -> core tables (SQL files), inside the caller's transaction.

What would come out as it stands is kept: flat tables change by key, core tables are made anew when their file
or anything they read has changed. A removed view or file leaves no table behind. What the ledger holds stays:
raw segments, runs, metric results.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from mappings.errors import SqlFileError
from mappings.terminology import MappedCode
from warehouse.built import BuildLedger, BuiltTable
from warehouse.catalog import drop_tables_but
from warehouse.connection import Transaction
from warehouse.engines.engine import Engine
from warehouse.flat import update_flat
from warehouse.flat_plan import BuildCenter, FlatPart, plan_flat
from warehouse.rules import RULE, StudyRules, write_rules
from warehouse.scope import Scope
from warehouse.segments import require_intact
from warehouse.tables import TableFile, build_tables, read_table_files
from warehouse.terms import find_unmapped, load_codes
from warehouse.touched import forget_touched

__all__ = ["BuildCenter", "BuildInput", "BuildSources", "BuiltTable", "StudyRules", "build", "build_flat"]


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


def build_flat(transaction: Transaction, build_input: BuildInput, *, folder: Path) -> list[BuiltTable]:
    """Bring the flat tables of the warehouse in `folder` up to what has landed; returns what was done why.

    Raises ViewError for a view that breaks its contract, WarehouseError when a raw segment that must be read
    is not what was landed.
    """
    parts = plan_flat(build_input.centers, build_input.sources.views)
    return update_flat(transaction, parts, run_id=build_input.run_id, folder=folder)


def build(
    transaction: Transaction, build_input: BuildInput, *, folder: Path, engine: Engine | None = None
) -> list[BuiltTable]:
    """Bring flat and core tables of the warehouse in `folder` up to date; returns what was built and why.

    With an `engine` of its own, every core table that is due is made whole by it.
    Raises ViewError or SqlFileError for a view or file that breaks its contract, WarehouseError when any raw
    segment is not what was landed: the nightly verification, while a backup that has it is still kept.
    """
    require_intact(transaction, folder)
    parts = plan_flat(build_input.centers, build_input.sources.views)
    files = _core_files(build_input.sources.core, parts)
    flat = update_flat(transaction, parts, run_id=build_input.run_id, folder=folder)
    kept = [*(table.table for table in flat), RULE, *(file.header.table for file in files)]
    drop_tables_but(transaction, ("flat", "core"), kept)
    ledger, scope = BuildLedger(transaction), Scope(transaction, parts, files)
    load_codes(transaction, build_input.code_map, build_input.aliases, ledger)
    unmapped = find_unmapped(transaction, parts, ledger, scope)
    rule = write_rules(transaction, build_input.rules, ledger)
    core = build_tables(transaction, files, ledger, scope if engine is None else None, engine)
    forget_touched(transaction)
    return [*flat, unmapped, rule, *core]


def _core_files(folder: Traversable, parts: Sequence[FlatPart]) -> list[TableFile]:
    """The core files in order; none may make a table that a view fills."""
    files = read_table_files([path for path in folder.iterdir() if path.name.endswith(".sql")])
    filled = {f"flat.{part.table}" for part in parts}
    for file in files:
        if file.header.table in filled:
            raise SqlFileError(
                f"{file.name} makes {file.header.table}, which a view fills.", "Rename one of the tables."
            )
    return files
