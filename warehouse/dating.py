"""Dating: whether a center's meta.lastUpdated tells when a resource changed, judged by what has landed.

Where it is missing, or one date fills in for all (CMSgov/beneficiary-fhir-data#239), a search for changes
does not find them all: such a type is read in full. A server that was filled in one transaction dates
everything alike, too; it is trusted again as soon as one resource differs.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Literal

from warehouse.connection import Warehouse

# Fewer may have been written at the same moment, and reading them in full costs nothing.
FEW = 20
Undated = Literal["missing", "constant"]


def undated(warehouse: Warehouse, center_id: str, resource_type: str) -> Undated | None:
    """Why the dates of a type cannot be trusted: some are missing, or `FEW` and more are all the same."""
    (row,) = warehouse.rows(
        "SELECT count(*) AS heads, count(last_updated) AS dated, count(DISTINCT last_updated) AS dates "
        "FROM ops.head WHERE center_id = ? AND resource_type = ?",
        [center_id, resource_type],
    )
    return _judged(row["heads"], row["dated"], row["dates"])


def undated_among(dates: Sequence[dt.datetime | None]) -> Undated | None:
    """The same of the dates of a sample."""
    told = [each for each in dates if each is not None]
    return _judged(len(dates), len(told), len(set(told)))


def _judged(resources: int, dated: int, dates: int) -> Undated | None:
    if dated < resources:
        return "missing"
    return "constant" if resources >= FEW and dates == 1 else None
