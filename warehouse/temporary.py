"""A table that stands only while a block runs."""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from warehouse.names import with_names


@contextmanager
def temporary_table(connection: duckdb.DuckDBPyConnection, name: str, query: str) -> Iterator[None]:
    """Offer the rows of `query` as the temporary table `name` while the block runs.

    Begin it outside of any transaction: the room of a dropped table is free when its transaction ends.
    """
    connection.execute(with_names("CREATE OR REPLACE TEMP TABLE {name} AS ", name=name) + query)
    try:
        yield
    finally:
        connection.execute(with_names("DROP TABLE {name}", name=name))
