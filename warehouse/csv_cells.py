"""CSV that a spreadsheet may open: a text that would be read as a formula is defused, numbers stay numbers.

OWASP, CSV injection: a cell that begins with = + - @, a tab, a carriage return or a line feed (or one of the
full-width forms that some programs take for them) is executed by spreadsheets. An apostrophe before it makes
it a text again. Cells that are numbers, dates or empty are never touched; line ends in a text become \n:
Python's writer does not quote a lone carriage return, and readers take it for the end of the row.
"""

import csv
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

_STARTS_A_FORMULA = tuple("=+-@\t\n\uff1d\uff0b\uff0d\uff20")


def write_csv(file: TextIO, columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write a header and rows; NULL is an empty cell."""
    lines = csv.writer(file, lineterminator="\n")
    lines.writerow([safe_cell(name) for name in columns])
    lines.writerows([safe_cell(value) for value in row] for row in rows)


def safe_cell(value: Any) -> Any:
    """A value as it may stand in a cell: a text that begins like a formula gets an apostrophe before it."""
    if not isinstance(value, str):
        return value
    text = value.replace("\r\n", "\n").replace("\r", "\n")
    return f"'{text}" if text.startswith(_STARTS_A_FORMULA) else text
