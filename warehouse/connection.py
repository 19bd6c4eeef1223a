"""The private working database: one process, one writer, transactions one after the other.

`Warehouse.open` locks the folder, opens `work.duckdb`, confines it to that folder and brings its ledger up to
date. Threads may share a Warehouse: their transactions wait for each other; reads see what is committed.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from mappings.errors import WarehouseError
from warehouse.lock import FolderLock
from warehouse.marker import Marker
from warehouse.migrate import is_upgrade, migrate, migrate_copy
from warehouse.names import literal
from warehouse.private import private_files
from warehouse.transaction import (
    Columns,
    Parameters,
    Row,
    Transaction,
    database_error,
    fetch,
    fetch_columns,
)

__all__ = ["Row", "Transaction", "Warehouse"]


@dataclass(frozen=True, slots=True)
class _Limits:
    """What DuckDB may use; None leaves its own default (all cores, 80 % of the memory)."""

    threads: int | None
    memory_limit: str | None


class Warehouse:
    """The locked, migrated working database of one folder; a context manager."""

    def __init__(self, folder: Path, lock: FolderLock, limits: _Limits) -> None:
        self.folder = folder
        self._lock = lock
        self._limits = limits
        self._write_lock = threading.RLock()
        self._read_lock = threading.Lock()
        self._writer, self._reader = _connect(folder, limits)
        self._marker = Marker(folder)
        try:
            self._marker.require_kept(self._last_number())
        except BaseException:
            _disconnect(self._writer, self._reader)
            raise

    @classmethod
    def open(
        cls, folder: Path, *, threads: int | None = None, memory_limit: str | None = None
    ) -> "Warehouse":
        """Open (or make) the warehouse in `folder` and bring its ledger up to date.

        Raises WarehouseBusyError when another process holds it, WarehouseError when a newer version wrote
        it. A folder made here is 0700, and everything inside but `marts/` is private to the user. A folder
        that exists keeps its mode, so that an operator may let analysts pass through it to `marts/`.
        """
        folder = folder.resolve()
        with private_files():
            _make_folders(folder)
            lock = FolderLock.acquire(folder)
            try:
                warehouse = cls(folder, lock, _Limits(threads, memory_limit))
            except BaseException:
                lock.release()
                raise
        return warehouse

    def close(self) -> None:
        """Close the database and free the lock."""
        with self._write_lock, self._read_lock:
            _disconnect(self._writer, self._reader)
            self._lock.release()

    def __enter__(self) -> "Warehouse":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def rows(self, sql: str, params: Parameters = None) -> list[Row]:
        """Run one query on what is committed; see `Transaction.rows`."""
        with self._read_lock:
            return fetch(self._reader, sql, params)

    def columns(self, sql: str, params: Parameters = None) -> Columns:
        """Run one query on what is committed; see `Transaction.columns`."""
        with self._read_lock:
            return fetch_columns(self._reader, sql, params)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Open a transaction, commit it when the block ends, roll it back when the block raises.

        Raises WarehouseError when a failed statement was swallowed inside the block: DuckDB would answer
        COMMIT with success and keep nothing.
        """
        with self.exclusive() as connection:
            transaction = Transaction(connection)
            transaction.execute("BEGIN TRANSACTION")
            try:
                yield transaction
                number = _next_number(transaction)
            except BaseException:
                self._roll_back()
                raise
            self._commit(number)

    @contextmanager
    def exclusive(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Give the writing connection, outside any transaction, while every other writer waits."""
        with self._write_lock, private_files():
            yield self._writer

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """Close the database, written out whole, while the block runs; the folder stays locked.

        What copies the file must do so here: when a process closes a second descriptor of a file, the
        system drops the locks that DuckDB holds by the first.
        """
        with self._write_lock, self._read_lock, private_files():
            self._writer.execute("CHECKPOINT")
            _disconnect(self._writer, self._reader)
            try:
                yield
            finally:
                self._writer, self._reader = _connect(self.folder, self._limits)

    def _roll_back(self) -> None:
        try:
            self._writer.execute("ROLLBACK")
        except duckdb.Error:
            # A fatal error (disk full) leaves the connection unusable; the file itself stays consistent.
            self._reopen()

    def _commit(self, number: int) -> None:
        try:
            self._writer.execute("COMMIT")
        except duckdb.Error as error:
            # COMMIT can raise although it is durable (the checkpoint after it failed): ask the file itself.
            self._reopen()
            if self._last_number() != number:
                raise WarehouseError(
                    f"A transaction could not be committed ({type(error).__name__}); nothing of it was kept.",
                    "Check the free space and the health of the disk, then run again.",
                ) from None
        self._marker.note(number)

    def _last_number(self) -> int:
        (row,) = self.rows("SELECT number FROM ops.last_transaction")
        number: int = row["number"]
        return number

    def _reopen(self) -> None:
        with self._read_lock:
            _disconnect(self._writer, self._reader)
            self._writer, self._reader = _connect(self.folder, self._limits)


def _next_number(transaction: Transaction) -> int:
    if not transaction.is_sound():
        raise WarehouseError(
            "A statement failed inside a transaction and the failure was not passed on.",
            "Report this as a defect; the transaction was rolled back.",
        )
    transaction.execute("UPDATE ops.last_transaction SET number = number + 1")
    number: int = transaction.value("SELECT number FROM ops.last_transaction")
    return number


def _make_folders(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # DuckDB spills from reads too, which do not set the umask.
        (folder / "spill").mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise WarehouseError(
            f"The warehouse folder {folder} cannot be made or used ({error.strerror}).",
            "Name a folder that the user who runs cryocohort may write to: warehouse.folder.",
        ) from None


def _connect(folder: Path, limits: _Limits) -> tuple[duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection]:
    """Open `work.duckdb`, migrate it, and return a writing and a reading connection, both locked down."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "temp_directory": str(folder / "spill"),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        # In DuckDB 2.0 an ordered INSERT of more than one row group into a table that got no rows from an
        # earlier INSERT of the same transaction leaves a table which every scan but a sequential one finds
        # empty (tests/warehouse/test_connection.py). An unordered one does not, and holds less memory.
        "preserve_insertion_order": False,
    }
    if limits.threads is not None:
        config["threads"] = limits.threads
    if limits.memory_limit is not None:
        config["memory_limit"] = limits.memory_limit
    file = folder / "work.duckdb"
    try:
        writer = duckdb.connect(str(file), config=config)
        if is_upgrade(writer):
            writer.close()
            migrate_copy(file, folder / "spill" / "migrated.duckdb", config)
            writer = duckdb.connect(str(file), config=config)
    except duckdb.Error as error:
        raise database_error(error) from None
    try:
        writer.execute("SET GLOBAL TimeZone = 'UTC'")
        migrate(writer)
        reader = writer.cursor()
        for connection in (writer, reader):
            connection.execute("SET enable_progress_bar = false")
        # In this order: the folder must be allowed before access is closed, and both before the lock.
        writer.execute(f"SET allowed_directories = [{literal(str(folder))}]")
        writer.execute("SET enable_external_access = false")
        writer.execute("SET lock_configuration = true")
    except duckdb.Error as error:
        writer.close()
        raise database_error(error) from None
    except BaseException:
        writer.close()
        raise
    return writer, reader


def _disconnect(*connections: duckdb.DuckDBPyConnection) -> None:
    for connection in connections:
        connection.close()
