"""DuckDB connections that fail at the n-th statement, put between the product and DuckDB.

`error` raises instead of running the statement; `after commit` lets a COMMIT become durable and raises then,
as on a full disk where the checkpoint fails; `fatal` makes every statement raise from the n-th on, until the
database is opened anew.
"""

import os
import signal
import threading
from typing import Any, Literal

import duckdb
import pytest

import warehouse.connection

Mode = Literal["error", "after commit", "fatal"]


class StatementCounter:
    """Counts the statements of a night and fails one of them; `failed` is the statement's first word."""

    def __init__(self, nth: int, mode: Mode) -> None:
        self.seen = 0
        self.failed = ""
        self._nth = nth
        self._mode = mode
        self._is_dead = False

    def connect(self, path: str, **options: Any) -> "FailingConnection":
        """Open a database whose statements are counted."""
        self._is_dead = False
        return FailingConnection(_CONNECT(path, **options), self)

    def run(self, connection: duckdb.DuckDBPyConnection, sql: str, *parameters: Any) -> Any:
        """Run a statement, unless it is its turn to fail."""
        word = sql.split(maxsplit=1)[0].upper()
        if self._mode == "after commit" and word != "COMMIT":
            return connection.execute(sql, *parameters)
        self.seen += 1
        if self._is_dead or self.seen == self._nth:
            self.failed = self.failed or word
            self._is_dead = self._mode == "fatal"
            if self._mode == "after commit":
                connection.execute(sql, *parameters)
            raise duckdb.IOException("IO Error: injected")
        return connection.execute(sql, *parameters)

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Stand between the product and DuckDB."""
        patch.setattr(warehouse.connection.duckdb, "connect", self.connect)


class StatementKiller(StatementCounter):
    """Counts the statements and kills this process `delay` seconds after the n-th has begun."""

    def __init__(self, nth: int, delay: float) -> None:
        super().__init__(nth, "error")
        self._delay = delay

    def run(self, connection: duckdb.DuckDBPyConnection, sql: str, *parameters: Any) -> Any:
        """Run a statement; the kill comes in the midst of it, or of what follows."""
        self.seen += 1
        if self.seen == self._nth:
            threading.Timer(self._delay, os.kill, (os.getpid(), signal.SIGKILL)).start()
        return connection.execute(sql, *parameters)


_CONNECT = duckdb.connect


class FailingConnection:
    """A DuckDB connection whose statements pass the counter; everything else is DuckDB's own."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, counter: StatementCounter) -> None:
        self._connection = connection
        self._counter = counter

    def execute(self, sql: str, *parameters: Any) -> Any:
        return self._counter.run(self._connection, sql, *parameters)

    def cursor(self) -> "FailingConnection":
        return FailingConnection(self._connection.cursor(), self._counter)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)
