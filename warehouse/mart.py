"""The published mart as readers open it: read-only, confined, and always one release from start to end."""

from pathlib import Path
from typing import Any, BinaryIO

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from mappings.errors import NothingPublishedError, QueryError
from warehouse.releases import MART_FILE, current_release
from warehouse.transaction import Parameters, Row, database_error, fetch

_HOW_TO_ASK = "SHOW ALL TABLES lists what there is; the release can be read, not changed or left."


class Mart:
    """One opened release; a context manager. A newer release is seen by opening again."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def rows(self, sql: str, params: Parameters = None) -> list[Row]:
        """Run one query and return its rows as dictionaries, TIMESTAMPs as aware UTC instants."""
        return fetch(self._connection, sql, params)

    def query(self, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Run one query of a reader; returns the column names and the rows.

        Raises QueryError with DuckDB's reason: whoever asks may see what the release holds.
        """
        try:
            cursor = self._connection.execute(sql)
            if cursor is None:
                raise QueryError("The query is empty.", _HOW_TO_ASK)
            return [column[0] for column in cursor.description or ()], cursor.fetchall()
        except duckdb.Error as error:
            raise QueryError(f"The query was refused: {str(error).splitlines()[0]}", _HOW_TO_ASK) from None

    def table(self, sql: str) -> pa.Table:
        """Run one query of ours and return its rows as an Arrow table, TIMESTAMPs as naive UTC."""
        try:
            return self._connection.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            raise database_error(error) from None

    def write_parquet(self, sql: str, target: BinaryIO) -> None:
        """Write the rows of one query of a reader as a Parquet file; raises QueryError as `query` does."""
        try:
            relation = self._connection.sql(sql)
            if relation is None:
                raise QueryError("The statement gives no rows.", _HOW_TO_ASK)
            batches: pa.RecordBatchReader = relation.to_arrow_reader()
            with pq.ParquetWriter(target, batches.schema, compression="zstd") as writer:
                for batch in batches:
                    writer.write_batch(batch)
        except duckdb.Error as error:
            raise QueryError(f"The query was refused: {str(error).splitlines()[0]}", _HOW_TO_ASK) from None

    def close(self) -> None:
        """Close the release."""
        self._connection.close()

    def __enter__(self) -> "Mart":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_mart(folder: Path) -> Mart:
    """Open the current release of the warehouse in `folder`; see `open_release`."""
    return open_release(current_release(folder) / MART_FILE)


def open_release(file: Path) -> Mart:
    """Open a `mart.duckdb` read-only, with no way to other files, other databases or the network.

    Raises NothingPublishedError when there is no such file.
    """
    if not file.is_file():
        raise NothingPublishedError(
            f"{file} does not exist.", "Run `cryocohort refresh` to publish a release."
        )
    config: dict[str, str | bool | int | float | list[str]] = {
        "enable_external_access": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "lock_configuration": True,
    }
    try:
        # Resolved: a process that still has `current/mart.duckdb` open would be given the old release again.
        return Mart(duckdb.connect(str(file.resolve()), read_only=True, config=config))
    except duckdb.Error as error:
        raise database_error(error) from None
