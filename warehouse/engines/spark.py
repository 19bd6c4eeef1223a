"""Spark as the engine of a build: it reads raw segments and tables of a transaction, and gives back new ones.

What it needs goes over when a statement first reads it, what it makes comes back into the transaction: the
checks, the trace, the release and the report read it there as ever. DuckDB says which types a table has
(without running the statement), so both engines make the same table.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse.connection import Transaction
from warehouse.disk import disk_errors
from warehouse.engines.dialect import parse
from warehouse.engines.raw import RawTables
from warehouse.engines.recursion import Recursion
from warehouse.engines.session import (
    SparkPlace,
    clear_scratch,
    require_spark,
    scratch_folder,
    spark_errors,
    spark_session,
)
from warehouse.flat_ledger import HELD
from warehouse.flat_plan import FlatPart
from warehouse.names import literal, with_names
from warehouse.owner import NUMBERS, numbered
from warehouse.private import private_files
from warehouse.statement import tables_read
from warehouse.transaction import Columns

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

_SCHEMAS = ("flat", "core", "ops", "outcomes")


@contextmanager
def spark_engine(
    transaction: Transaction, folder: Path, place: SparkPlace, parts: Sequence[FlatPart]
) -> Iterator["SparkEngine"]:
    """Spark for the statements of one transaction on the warehouse in `folder`; ended with the block.

    The flat tables that the views of `parts` fill are read from the raw segments, all others handed over. Its
    files lie in a folder of the warehouse that is removed afterwards. On a cluster every machine must see the
    warehouse's folder under the same path.
    """
    require_spark()
    scratch = scratch_folder(folder)
    try:
        with private_files(), disk_errors(f"The folder {scratch} could not be made"):
            scratch.mkdir(mode=0o700)
        with spark_session(scratch, place) as session:
            yield SparkEngine(session, transaction, scratch, RawTables(session, transaction, folder, parts))
    finally:
        clear_scratch(folder)


class SparkEngine:
    """An engine (`warehouse.engines.engine`) whose statements run on Spark."""

    def __init__(
        self, session: "SparkSession", transaction: Transaction, scratch: Path, raw: RawTables
    ) -> None:
        self._session = session
        self._transaction = transaction
        self._scratch = scratch
        self._raw = raw
        self._known: set[str] = set()
        self._written = 0
        with spark_errors():
            for schema in _SCHEMAS:
                session.sql(f"CREATE DATABASE IF NOT EXISTS {schema}")

    @property
    def made_by(self) -> Mapping[str, str]:
        """Name and version of Spark."""
        return {"Spark": self._session.version}

    def create_table(self, table: str, select: str, numbers: Mapping[str, str] | None = None) -> None:
        """Make `table` from the rows of a SELECT statement, in Spark and in the transaction.

        The numbers that rows carry are the transaction's alone.
        """
        frame = self._frame(select)
        made = self._write(frame)
        name = with_names("{table}", table=table)
        like = numbered(select, numbers or {})
        self._transaction.execute(f"CREATE OR REPLACE TABLE {name} AS\n{like}\nWITH NO DATA")
        rows = numbered(f"FROM read_parquet({literal(f'{made}/*.parquet')})", numbers or {})
        self._transaction.execute(f"INSERT INTO {name} BY NAME {rows}")
        self._offer(table, made, frame.schema)

    def columns(self, sql: str) -> Columns:
        """Run one query and return its columns as NumPy arrays of equal length, masked where NULL."""
        frame = self._frame(sql)
        with spark_errors():
            found = frame.toArrow()
        with self._transaction.offered("spark_rows", found):
            return self._transaction.columns("FROM spark_rows")

    def _frame(self, select: str) -> "DataFrame":
        """The rows of a statement, once the tables it reads are there."""
        for read in tables_read(self._transaction, select):
            self._require(read.table)
        with spark_errors():
            return Recursion(self._session, self._kept).frame(parse(select))

    def _require(self, table: str) -> None:
        """Make a table readable: made from the raw segments where views fill it, handed over otherwise."""
        if table in self._known:
            return
        if table in self._raw:
            with spark_errors():
                rows = self._raw.frame(table, self._held)
            if rows is not None:
                self._offer(table, self._write(rows), rows.schema)
                return
        self._hand_over(table)

    def _held(self) -> "DataFrame":
        """The versions that the flat tables hold."""
        self._require(HELD)
        return self._session.table(HELD)

    def _hand_over(self, table: str) -> None:
        target = self._scratch / f"{table}.parquet"
        rows = with_names(
            "SELECT COLUMNS(lambda name: NOT contains($numbers, name)) FROM {table}", table=table
        )
        self._transaction.execute(
            f"COPY ({rows}) TO {literal(str(target))} (FORMAT parquet)", {"numbers": list(NUMBERS)}
        )
        self._offer(table, target)

    def _offer(self, table: str, files: Path, schema: "StructType | None" = None) -> None:
        """Let later statements read `table` from these files; without a schema Spark reads it from them."""
        with spark_errors():
            self._session.sql(f"DROP TABLE IF EXISTS {table}")
            self._session.catalog.createTable(table, path=str(files), source="parquet", schema=schema)
        self._known.add(table)

    def _kept(self, frame: "DataFrame") -> "DataFrame":
        """The rows of a frame, computed once and read from files from now on."""
        return self._session.read.parquet(str(self._write(frame)))

    def _write(self, frame: "DataFrame") -> Path:
        self._written += 1
        target = self._scratch / f"made-{self._written}"
        with spark_errors():
            frame.write.parquet(str(target))
        return target
