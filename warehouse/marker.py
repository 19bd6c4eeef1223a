"""The number of the last transaction, noted beside the database: how a deleted write-ahead log is noticed.

DuckDB opens without its log as if nothing had been committed since the last checkpoint: the newest nights are
gone and everything looks well. The note is written after each commit, so it can lag behind the database when
a process dies between the two, and never be ahead of it unless the database lost transactions.
"""

import os
from pathlib import Path

from mappings.errors import WarehouseError
from warehouse.disk import disk_errors

_NAME = "last_transaction"


class Marker:
    """The note of one warehouse folder; a backup leaves it out, and a missing note is none."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / _NAME

    def note(self, number: int) -> None:
        """Note that this transaction was committed; raises WarehouseError where the disk refuses it.

        What was committed stays so: whoever cleans up after a failure asks the ledger what it holds.
        """
        with disk_errors(f"{self._file} cannot be written"):
            descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                os.pwrite(descriptor, f"{number:>20}\n".encode("ascii"), 0)
            finally:
                os.close(descriptor)

    def require_kept(self, number: int) -> None:
        """Raise WarehouseError when a later transaction than the database's last one was committed."""
        try:
            noted = self._file.read_text(encoding="ascii").strip()
        except (FileNotFoundError, UnicodeDecodeError):
            return
        if noted.isdecimal() and int(noted) > number:
            raise WarehouseError(
                f"{self._file.parent / 'work.duckdb'} has lost transactions: it ends with number {number}, "
                f"and {noted} had been committed. Its write-ahead log (work.duckdb.wal) was deleted, or an "
                "older file was put in its place.",
                f"restore the warehouse from the backup (`cryocohort restore`). Only if an older file was "
                f"put there on purpose, delete {self._file}.",
            )
