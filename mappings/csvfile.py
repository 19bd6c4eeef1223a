"""Reading the CSV files people edit: each row with its place, each mistake by file, row and column."""

import csv
import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib.resources.abc import Traversable

from mappings.errors import TerminologyError


def csv_files(folder: Traversable) -> list[Traversable]:
    """The CSV files of a folder, by name."""
    found = (path for path in folder.iterdir() if path.name.endswith(".csv"))
    return sorted(found, key=lambda path: path.name)


def read_rows(path: Traversable, columns: Sequence[str]) -> list[tuple[str, dict[str, str]]]:
    """The rows as (place, cells by column); cells are stripped, as spreadsheets leave blanks behind.

    Raises TerminologyError when the file is no UTF-8 CSV or has other columns than the expected ones.
    """
    try:
        return _rows(path, columns)
    except UnicodeDecodeError as error:
        raise TerminologyError(f"{path} is not UTF-8 text.", "Save it again as CSV UTF-8.") from error
    except csv.Error as error:
        raise TerminologyError(f"{path} is no CSV file: {error}.", "Check its double quotes.") from error


def need(place: str, row: Mapping[str, str], columns: Iterable[str]) -> None:
    """Raise TerminologyError unless each of these columns has content."""
    for column in columns:
        if not row[column]:
            raise wrong_cell(place, column, "the cell is empty", "Fill the cell in, or remove the row.")


def one_of(place: str, column: str, value: str, allowed: Collection[str]) -> None:
    """Raise TerminologyError unless the value is one of a closed list."""
    if value not in allowed:
        expected = ", ".join(repr(each) for each in sorted(allowed))
        raise wrong_cell(place, column, f"{value!r} is unknown", f"Use one of: {expected}.")


def wrong_cell(place: str, column: str, problem: str, next_step: str) -> TerminologyError:
    """The error of one cell."""
    return TerminologyError(f"{place}, column {column}: {problem}.", next_step)


def _rows(path: Traversable, columns: Sequence[str]) -> list[tuple[str, dict[str, str]]]:
    """The rows of a file whose header and row lengths are as expected."""
    text = path.read_bytes().decode("utf-8-sig")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header = tuple(cell.strip() for cell in next(reader, ()))
    if header != tuple(columns):
        raise TerminologyError(
            f"{path}: the columns are {', '.join(header) or 'missing'}; expected are {', '.join(columns)}.",
            "Correct the first row; cells are separated by commas.",
        )
    rows: list[tuple[str, dict[str, str]]] = []
    for cells in reader:
        place = f"{path}, row {reader.line_num}"
        if len(cells) != len(columns):
            raise TerminologyError(
                f"{place}: {len(cells)} cells; expected are {len(columns)}.",
                "Put a cell that holds a comma into double quotes.",
            )
        rows.append((place, dict(zip(columns, (cell.strip() for cell in cells), strict=True))))
    return rows
