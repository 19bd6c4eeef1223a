"""Tables made by SQL files: built in the order of their needs, held to their headers, and described.

A table whose file and needs are as they were when it was built is kept. That is right because a file may read
nothing but the tables its header names; the parsed statement is asked, not believed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path

from mappings.errors import SqlFileError, StatementError
from warehouse.built import BuildLedger, BuiltTable, digest
from warehouse.catalog import columns_of, count_all, describe
from warehouse.connection import Transaction
from warehouse.engines.engine import Engine
from warehouse.names import with_names
from warehouse.owner import NUMBERS
from warehouse.scope import Scope
from warehouse.sqlfile import SqlFile, TableHeader, in_order, read_sql_file
from warehouse.statement import tables_read

TableFile = SqlFile[TableHeader]


def read_table_files(paths: Sequence[Traversable | Path]) -> list[TableFile]:
    """Read the SQL files of tables, each after those whose tables it needs."""
    return in_order([read_sql_file(path, TableHeader) for path in paths])


def build_tables(
    transaction: Transaction,
    files: Sequence[TableFile],
    ledger: BuildLedger | None = None,
    scope: Scope | None = None,
    engine: Engine | None = None,
) -> list[BuiltTable]:
    """Make the table of each SQL file (each after those it needs) unless it would come out as it stands.

    What lies beyond the reach of the changes is kept, too, where `scope` can tell. `engine` runs the
    statements, the transaction itself unless told otherwise.
    Returns the tables in this order, with the reasons of those that were built. Raises SqlFileError for a
    file that breaks its contract: a table it needs is missing or not named, its columns are not those of its
    header, or its key is empty or not unique.
    """
    ledger, engine = ledger or BuildLedger(transaction), engine or transaction
    place = _Place(transaction, ledger, scope, engine)
    reasons = {file.header.table: _bring_up(place, file) for file in files}
    ledger.keep()
    rows = count_all(transaction, list(reasons))
    return [BuiltTable(table, rows[table], why) for table, why in reasons.items()]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where tables are built: the transaction they stand in, what is known of them, who runs the SQL."""

    transaction: Transaction
    ledger: BuildLedger
    scope: Scope | None
    engine: Engine


def _bring_up(place: _Place, file: TableFile) -> tuple[str, ...]:
    """Make a table unless it would come out as it stands; returns why its rows changed."""
    ledger, scope, table = place.ledger, place.scope, file.header.table
    _require_needs(file, ledger)
    sources = {
        file.name: digest([file.header.model_dump(), file.header.numbers, file.body]),
        **place.engine.made_by,
        **ledger.fingerprints(file.header.needs),
    }
    reasons = ledger.reasons(table, sources)
    if not reasons:
        return ()
    _require_named(place.transaction, file)
    changed = ledger.changed(table, sources)
    changes = None
    if scope is not None and changed is not None and scope.covers(changed):
        changes = scope.replace(table, file.header.key, file.body)
    if changes is None:
        _build(place, file)
    ledger.note(table, sources, reasons, is_changed=changes != 0)
    return () if changes == 0 else reasons


def _build(place: _Place, file: TableFile) -> None:
    header, transaction = file.header, place.transaction
    try:
        place.engine.create_table(header.table, file.body, header.numbers)
    except StatementError as error:
        raise SqlFileError(
            f"{file.name} cannot make {header.table}. {error.message}", "Correct the SELECT statement."
        ) from None
    _require_columns(transaction, file)
    _require_key(transaction, file)
    meanings = header.columns | {column: NUMBERS[column] for column in header.numbers}
    describe(transaction, header.table, header.comment, meanings)


def _require_needs(file: TableFile, ledger: BuildLedger) -> None:
    missing = ledger.missing(file.header.needs)
    if missing:
        raise SqlFileError(
            f"{file.name} needs {', '.join(missing)}, which nothing makes.",
            "Correct `needs`, or add the view or file that makes the table.",
        )


def _require_named(transaction: Transaction, file: TableFile) -> None:
    # A file that is as it was when its table was built was asked then.
    read = {read.table for read in tables_read(transaction, file.body)}
    unnamed = sorted(read - set(file.header.needs))
    if unnamed:
        raise SqlFileError(
            f"{file.name} reads {', '.join(unnamed)}, which its header does not name.",
            "Add the table to `needs`: a change in it must build this one again.",
        )


def _require_columns(transaction: Transaction, file: TableFile) -> None:
    found, declared = columns_of(transaction, file.header.table), list(file.header.columns)
    if found != [*declared, *file.header.numbers]:
        raise SqlFileError(
            f"{file.name} selects {', '.join(found)}, but its header describes {', '.join(declared)}.",
            "Make [columns] and the SELECT agree: names and order.",
        )


def _require_key(transaction: Transaction, file: TableFile) -> None:
    header = file.header
    unknown = [column for column in header.key if column not in header.columns]
    if unknown:
        raise SqlFileError(f"{file.name}: key: {', '.join(unknown)} is no column.", "Correct `key`.")
    empty = " OR ".join(with_names("{column} IS NULL", column=column) for column in header.key)
    counted = transaction.rows(
        with_names("SELECT count(*) AS found, count(DISTINCT row({key})) AS kept, ", key=header.key)
        + f"count(*) FILTER ({empty}) AS empty "
        + with_names("FROM {table}", table=header.table)
    )[0]
    repeated = counted["found"] - counted["kept"]
    if counted["empty"] or repeated:
        raise SqlFileError(
            f"{file.name}: the key ({', '.join(header.key)}) of {header.table} is empty in "
            f"{counted['empty']} rows and repeated in {repeated}.",
            "Correct the SELECT statement or `key`.",
        )
