"""One transaction on the working database, and the errors that may leave it.

DuckDB's own error texts quote values (keys, dates, whole strings), so they end here: callers get a
WarehouseError that names the kind of error, with the text only where it speaks of names, files or memory.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb
import pyarrow as pa

from mappings.errors import StatementError, WarehouseError
from warehouse.names import with_names
from warehouse.owner import numbered

Parameters = Sequence[object] | Mapping[str, object] | None
Row = dict[str, Any]
Columns = dict[str, Any]

_INSERT = "INSERT INTO {table} ({columns}) SELECT {columns} FROM incoming_rows"
# The texts of these speak of SQL names, files and memory; those of every other class may quote a value.
_TEXT_WITHOUT_VALUES = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.ParserException,
    duckdb.IOException,
    duckdb.OutOfMemoryException,
    duckdb.PermissionException,
    duckdb.TransactionException,
)
# What ends a statement that is not at fault: what the database cannot do, and what to do about it.
_OF_THE_MACHINE: Mapping[type[duckdb.Error], tuple[str, str]] = {
    duckdb.OutOfMemoryException: (
        "has no room for a statement",
        "Raise warehouse.memory_limit, or make room in the warehouse folder, where the rest is spilled",
    ),
    duckdb.IOException: (
        "cannot read or write a file",
        "Check the disk of the warehouse folder, and restore a backup if the file named is damaged",
    ),
}


def database_error(error: duckdb.Error) -> WarehouseError:
    """Return the error to raise for one of DuckDB's, with no value of the data in it."""
    kind = type(error)
    detail = f": {str(error).splitlines()[0]}" if isinstance(error, _TEXT_WITHOUT_VALUES) else ""
    told = f"({kind.__name__}){detail}"
    if kind in _OF_THE_MACHINE:
        what, remedy = _OF_THE_MACHINE[kind]
        return WarehouseError(
            f"The database {what} {told}", f"{remedy}, then run again; nothing of this transaction was kept."
        )
    return StatementError(
        f"The database refused a statement {told}",
        "Correct the SQL file or the data it reads, then run again; nothing of this transaction was kept.",
    )


def fetch(connection: duckdb.DuckDBPyConnection, sql: str, params: Parameters = None) -> list[Row]:
    """Run one statement and return its rows as dictionaries; timestamps come back as aware UTC instants."""
    try:
        cursor = connection.execute(sql, params)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, map(_aware, row), strict=True)) for row in cursor.fetchall()]
    except duckdb.Error as error:
        raise database_error(error) from None


def fetch_columns(connection: duckdb.DuckDBPyConnection, sql: str, params: Parameters = None) -> Columns:
    """Run one statement and return its columns as NumPy arrays of equal length, masked where NULL."""
    try:
        return dict(connection.execute(sql, params).fetchnumpy())
    except duckdb.Error as error:
        raise database_error(error) from None


def _aware(value: object) -> object:
    if isinstance(value, dt.datetime) and value.tzinfo is None:
        return value.replace(tzinfo=dt.UTC)
    return value


class Transaction:
    """One open transaction; made by `Warehouse.transaction` and committed or rolled back by it."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._is_broken = False

    def execute(self, sql: str, params: Parameters = None) -> None:
        """Run statements whose rows nobody needs; aware datetimes are stored as UTC."""
        with self._noticing_errors():
            self._connection.execute(sql, params)

    def rows(self, sql: str, params: Parameters = None) -> list[Row]:
        """Run one query and return its rows as dictionaries, TIMESTAMPs as aware UTC instants."""
        with self._noticing_errors():
            return fetch(self._connection, sql, params)

    def columns(self, sql: str, params: Parameters = None) -> Columns:
        """Run one query and return its columns as NumPy arrays of equal length, masked where NULL."""
        with self._noticing_errors():
            return fetch_columns(self._connection, sql, params)

    @property
    def made_by(self) -> Mapping[str, str]:
        """Name and version of the embedded engine, of which a transaction is one."""
        return {"DuckDB": duckdb.__version__}

    def create_table(self, table: str, select: str, numbers: Mapping[str, str] | None = None) -> None:
        """Make `schema.table`, or make it anew, from the rows of a SELECT statement and their numbers."""
        statement = numbered(select, numbers or {})
        self.execute(with_names("CREATE OR REPLACE TABLE {table} AS", table=table) + f"\n{statement}")

    def value(self, sql: str, params: Parameters = None) -> Any:
        """Run a query of one row and one column and return that value."""
        (row,) = self.rows(sql, params)
        (value,) = row.values()
        return value

    def insert(self, table: str, rows: Sequence[Mapping[str, Any]]) -> int:
        """Insert dictionaries of equal keys into `schema.table` by column name; returns how many."""
        if not rows:
            return 0
        with self.staged("incoming_rows", rows):
            self.execute(with_names(_INSERT, table=table, columns=list(rows[0])))
        return len(rows)

    def insert_columns(self, table: str, columns: Mapping[str, Sequence[object]]) -> None:
        """Insert rows that are given as columns of equal length, which is the quick way for many."""
        with self.offered("incoming_rows", pa.table(dict(columns))):
            self.execute(with_names(_INSERT, table=table, columns=list(columns)))

    @contextmanager
    def staged(self, name: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[None]:
        """Offer `rows` (at least one) to queries as the relation `name` while the block runs."""
        with self.offered(name, pa.Table.from_pylist([dict(row) for row in rows])):
            yield

    @contextmanager
    def offered(self, name: str, rows: pa.Table) -> Iterator[None]:
        """Offer a table of Arrow to queries as the relation `name` while the block runs."""
        self._connection.register(name, rows)
        try:
            yield
        finally:
            self._connection.unregister(name)

    def is_sound(self) -> bool:
        """Whether COMMIT would keep what was done: False after any failed statement."""
        return not self._is_broken

    @contextmanager
    def _noticing_errors(self) -> Iterator[None]:
        try:
            yield
        except duckdb.Error as error:
            self._is_broken = True
            raise database_error(error) from None
        except WarehouseError:
            self._is_broken = True
            raise
