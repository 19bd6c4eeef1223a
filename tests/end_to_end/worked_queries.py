"""The worked queries of the documentation: each with the result that stands below it."""

import re
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "worked-queries.md"
_SECTION = re.compile(r"(?ms)^## \d+\. ([^\n]+)\n.*?^```sql\n(.*?)^```\n\n((?:\|[^\n]*\n)+)")


@dataclass(frozen=True, slots=True)
class WorkedQuery:
    """A query, and its result as texts: the header, then the rows; NULL is an empty text."""

    title: str
    sql: str
    result: list[list[str]]


def worked_queries() -> list[WorkedQuery]:
    found = _SECTION.findall(PAGE.read_text(encoding="utf-8") + "\n")
    return [WorkedQuery(title, sql, _cells(table)) for title, sql, table in found]


def _cells(table: str) -> list[list[str]]:
    lines = [line.strip("|").split("|") for line in table.splitlines()]
    return [[cell.strip() for cell in line] for line in lines[:1] + lines[2:]]
