"""What the build and the metrics ask of whatever runs their SELECT statements.

The statements are written once, in DuckDB's SQL. A `Transaction` of the warehouse is the embedded engine;
`warehouse.engines.spark` is the distributed one and gives the same rows.
"""

from collections.abc import Mapping
from typing import Protocol

from warehouse.transaction import Columns


class Engine(Protocol):
    """Runs SELECT statements over the tables of one transaction, which stand in it afterwards."""

    @property
    def made_by(self) -> Mapping[str, str]:
        """Name and version of what runs the statements: a table made by another is made anew."""

    def create_table(self, table: str, select: str, numbers: Mapping[str, str] | None = None) -> None:
        """Make `table` (its schema before a dot), or make it anew, from the rows of a SELECT statement.

        `numbers` are columns that the rows carry besides, as SQL over these: DuckDB's hashes, on any engine.
        """

    def columns(self, sql: str) -> Columns:
        """Run one query and return its columns as NumPy arrays of equal length, masked where NULL."""
