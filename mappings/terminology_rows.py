"""The rows of a center's code files: what each cell must hold, and how the files are read and written.

The files are edited in spreadsheets, which run a cell that begins with = + - @ as a formula. Cells that
come from elsewhere are therefore written with an apostrophe before such a beginning, and read without it.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

from mappings.csvfile import need, one_of, wrong_cell
from mappings.errors import TerminologyError
from mappings.terminology_codes import TEXT_SYSTEM, SystemCode

COUNTED = frozenset({"equivalent", "equal", "wider", "subsumes"})
REVIEW_ONLY = frozenset({"relatedto", "narrower", "specializes", "inexact", "unmatched", "disjoint"})
MAP_STATUSES = frozenset({"approved", "draft", "rejected"})
MAP_COLUMNS = (
    "source_system",
    "source_code",
    "source_display",
    "target_system",
    "target_code",
    "target_display",
    "equivalence",
    "status",
    "verified_by",
    "verified_on",
    "comment",
)

# What spreadsheets take for a formula, also in full width, behind the apostrophes of an earlier guard.
_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
# FHIR's code: no blanks around it and single ones inside; a system is a URI without any.
_CODE = re.compile(r"\S+(\s\S+)*")


@dataclass(frozen=True, slots=True)
class MapRow:
    """One reviewed line of a center's map; systems as written, `place` for messages ('file, row n')."""

    place: str
    source: SystemCode
    source_display: str
    target: SystemCode
    target_display: str
    equivalence: str
    status: str
    verified_by: str
    verified_on: str
    comment: str

    @property
    def is_approved(self) -> bool:
        """Whether a data manager signed the row off."""
        return self.status == "approved"


def map_row(place: str, cells: Mapping[str, str]) -> MapRow:
    """One line as a row; see `row_problems` for what its cells must hold."""
    row = {column: unguarded(cell) for column, cell in cells.items()}
    return MapRow(
        place=place,
        source=(row["source_system"], row["source_code"]),
        source_display=row["source_display"],
        target=(row["target_system"], row["target_code"]),
        target_display=row["target_display"],
        equivalence=row["equivalence"],
        status=row["status"],
        verified_by=row["verified_by"],
        verified_on=row["verified_on"],
        comment=row["comment"],
    )


def row_problems(place: str, row: Mapping[str, str]) -> list[TerminologyError]:
    """Every wrong cell of one line.

    An approved row says who approved what and when, and why where meaning is lost (R4 asks for a comment);
    a draft or rejected one may be unfinished.
    """
    checks = [
        partial(need, place, row, ("source_system",)),
        partial(need, place, row, ("source_code",)),
        partial(_check_forms, place, row),
        partial(one_of, place, "status", row["status"], MAP_STATUSES),
    ]
    if row["equivalence"] or row["status"] == "approved":
        checks += [
            partial(need, place, row, ("equivalence",)),
            partial(_check_equivalence, place, row["equivalence"]),
        ]
    if row["status"] == "approved":
        checks += [
            partial(need, place, row, ("verified_by",)),
            partial(_check_day, place, row),
            partial(_check_target, place, row),
        ]
    problems = []
    for check in checks:
        try:
            check()
        except TerminologyError as problem:
            problems.append(problem)
    return problems


def write_rows(rows: Iterable[Mapping[str, str]], *, with_header: bool) -> str:
    """Lines of a center's code file as CSV text, safe to open in a spreadsheet; missing cells are empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if with_header:
        writer.writerow(MAP_COLUMNS)
    writer.writerows([guarded(row.get(column, "")) for column in MAP_COLUMNS] for row in rows)
    return text.getvalue()


def guarded(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula; `unguarded` gives it back."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unguarded(cell: str) -> str:
    """The cell without the apostrophe that `guarded` put before it."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def fhir_code(system: str, code: str) -> str:
    """A code as FHIR allows it: a spelled-out text has its blanks made single, which spellings ignore."""
    return " ".join(code.split()) if system == TEXT_SYSTEM else code


def _check_forms(place: str, row: Mapping[str, str]) -> None:
    for column in ("source_system", "target_system"):
        if len(row[column].split()) > 1:
            raise wrong_cell(place, column, "a code system holds no blanks", "Correct the system's URL.")
    for column in ("source_code", "target_code"):
        if row[column] and not _CODE.fullmatch(row[column]):
            raise wrong_cell(
                place, column, "FHIR allows single blanks in a code, no others", "Correct the code."
            )


def _check_equivalence(place: str, equivalence: str) -> None:
    if equivalence:
        one_of(place, "equivalence", equivalence, COUNTED | REVIEW_ONLY)


def _check_day(place: str, row: Mapping[str, str]) -> None:
    need(place, row, ("verified_on",))
    try:
        date.fromisoformat(row["verified_on"])
    except ValueError:
        raise wrong_cell(place, "verified_on", "this is no day", "Write the day as 2026-11-30.") from None


def _check_target(place: str, row: Mapping[str, str]) -> None:
    if row["equivalence"] == "unmatched":
        if row["target_code"]:
            raise wrong_cell(
                place, "target_code", "an unmatched code has no target", "Empty it or change equivalence."
            )
        return
    needed: Sequence[str] = ("target_system", "target_code")
    need(place, row, (*needed, "comment") if row["equivalence"] in {"narrower", "inexact"} else needed)
