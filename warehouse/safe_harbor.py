"""The Safe Harbor form of a release's tables: 45 CFR 164.514(b)(2), as far as it concerns a release.

A pseudonym is derived from a hospital's id, which the rule forbids: each is replaced by a random id that is
kept nowhere, the same in every table of one export and another in the next. Of the index treatment the year
is told; everything else is an interval in days. A patient who turns 90 while followed is pooled with those of
90 and more. A center may be told by its name, so centers are numbered by lot.
"""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from warehouse.dictionary import DescribedTable
from warehouse.pseudonym import OLDEST_AGE, STUDY_LEVEL
from warehouse.transaction import Row

_AGE = "age_at_index_years"
_DAYS_PER_YEAR = 365.25


def described_safely(table: DescribedTable) -> DescribedTable | None:
    """The words of a table in its Safe Harbor form; None for one that tells of runs and not of patients."""
    names = {name for name, _, _ in table.columns}
    if table.name in STUDY_LEVEL:
        return table
    if "run_id" in names or "center_id" not in names or table.name.startswith("ops."):
        return None
    return replace(table, columns=[_column(*column) for column in table.columns])


def _column(name: str, kind: str, meaning: str) -> tuple[str, str, str]:
    if name.endswith("_key"):
        return name, kind, f"{meaning} A random id of this export."
    if name == "center_id":
        return name, kind, "Center, numbered by lot in this export."
    if name == "index_month":
        return "index_year", "INTEGER", "Year of the first treatment."
    if name == _AGE:
        return name, kind, f"{meaning} Also those who turned {OLDEST_AGE} while followed."
    if kind.startswith(("DATE", "TIMESTAMP")):
        raise AssertionError(f"a release may hold no date of a patient: {name}")
    return name, kind, meaning


class SafeHarbor:
    """Turns the rows of one export; ids stay equal from table to table as long as it lives."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}
        self._centers: dict[str, str] = {}

    def rows(self, table: DescribedTable, rows: Sequence[Row]) -> list[Row]:
        """The rows of a table in their Safe Harbor form, in an order that tells nothing."""
        if table.name in STUDY_LEVEL:
            return list(rows)
        self._number_centers(row["center_id"] for row in rows)
        made = [dict(self._cell(name, value, row) for name, value in row.items()) for row in rows]
        secrets.SystemRandom().shuffle(made)
        return made

    def _number_centers(self, found: Iterable[str]) -> None:
        new = sorted(set(found) - set(self._centers))
        secrets.SystemRandom().shuffle(new)
        for center_id in new:
            self._centers[center_id] = f"center {len(self._centers) + 1}"

    def _cell(self, name: str, value: Any, row: Row) -> tuple[str, Any]:
        if value is None:
            return ("index_year" if name == "index_month" else name), None
        if name.endswith("_key"):
            return name, self._ids.setdefault(value, secrets.token_hex(16))
        if name == "center_id":
            return name, self._centers[value]
        if name == "index_month":
            return "index_year", int(value[:4])
        if name == _AGE:
            return name, _pooled(value, row.get("follow_up_days"))
        return name, value


def _pooled(age: int, follow_up_days: int | None) -> int:
    """The age, or 90 for one who may have turned 90 up to the last contact."""
    last_age = age + 1 + (follow_up_days or 0) / _DAYS_PER_YEAR
    return OLDEST_AGE if last_age >= OLDEST_AGE else age
