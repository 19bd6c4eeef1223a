"""Looking through a center's code files: every problem at once, as a data manager mends them in one go.

An error keeps the next sync or refresh from starting; a warning says what does not count yet or should be
written otherwise.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mappings.csvfile import csv_files, read_rows
from mappings.errors import TerminologyError
from mappings.terminology import CanonicalCode, RowProblem, repetitions, resolve, targets_of
from mappings.terminology_rows import MAP_COLUMNS, MapRow, map_row, row_problems


@dataclass(frozen=True, slots=True)
class CodeProblem:
    """One problem of a center's code files; `message` names file, row and column."""

    center_id: str
    severity: Literal["error", "warning"]
    message: str
    next_step: str


def check_center(
    folder: Path, center_id: str, canonical: Iterable[CanonicalCode], aliases: Mapping[str, str]
) -> list[CodeProblem]:
    """Every problem of the CSV files of a center's `codes` folder, errors first; no folder, no problem."""
    rows, errors = _read(folder)
    errors += [problem.error for problem in repetitions(rows)]
    approved = [row for row in rows if row.is_approved]
    drafts = [row for row in rows if row.status == "draft"]
    finished = [
        row for row in drafts if row.equivalence and (row.target[1] or row.equivalence == "unmatched")
    ]
    # Approved rows first: of two rows that differ it is the draft that has to change.
    _, unresolved = resolve(center_id, [*approved, *finished], targets_of(canonical), aliases)
    errors += [problem.error for problem in unresolved if problem.row.is_approved]
    warnings = [problem.error for problem in unresolved if not problem.row.is_approved]
    warnings += [problem.error for problem in (*_alias_warnings(rows, aliases), *_draft_warnings(drafts))]
    return [
        *(CodeProblem(center_id, "error", error.message, error.next_step) for error in errors),
        *(CodeProblem(center_id, "warning", error.message, error.next_step) for error in warnings),
    ]


def _read(folder: Path) -> tuple[list[MapRow], list[TerminologyError]]:
    """The rows whose cells are right, and what is wrong with the other rows and files."""
    rows: list[MapRow] = []
    errors: list[TerminologyError] = []
    for path in csv_files(folder) if folder.is_dir() else ():
        try:
            lines = read_rows(path, MAP_COLUMNS)
        except TerminologyError as error:
            errors.append(error)
            continue
        for place, cells in lines:
            problems = row_problems(place, cells)
            errors += problems
            if not problems:
                rows.append(map_row(place, cells))
    return rows, errors


def _alias_warnings(rows: Iterable[MapRow], aliases: Mapping[str, str]) -> list[RowProblem]:
    return [
        RowProblem(
            row,
            TerminologyError(
                f"{row.place}, column {column}: {system} is another spelling of {aliases[system]}.",
                "It is understood; write the second one unless the center's server itself writes the first.",
            ),
        )
        for row in rows
        for column, system in (("source_system", row.source[0]), ("target_system", row.target[0]))
        if system in aliases
    ]


def _draft_warnings(drafts: Iterable[MapRow]) -> list[RowProblem]:
    return [
        RowProblem(
            row,
            TerminologyError(
                f"{row.place}, column status: a draft, which counts nothing yet.",
                "Review it, then fill in verified_by and verified_on and set status to approved or rejected.",
            ),
        )
        for row in drafts
    ]
