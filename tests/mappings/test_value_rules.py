"""Value rules: what is shipped, and how each wrong cell is told."""

import re
from pathlib import Path
from typing import Any

import pytest

from mappings.errors import TerminologyError
from mappings.terminology import load_codes
from mappings.value_rules import (
    ANSWER_COLUMNS,
    MEASURE_COLUMNS,
    UNIT_COLUMNS,
    Answer,
    Measure,
    Unit,
    load_value_rules,
)

LOINC = "http://loinc.org"
COLUMNS = {"measures": MEASURE_COLUMNS, "units": UNIT_COLUMNS, "answers": ANSWER_COLUMNS}
ROWS: dict[str, dict[str, str]] = {
    "measures": {"measure": "nprs", "unit": "{score}", "low": "0", "high": "10", "source": "a paper"},
    "units": {"measure": "nprs", "written": "code", "unit": "1", "factor": "1", "source": "UCUM"},
    "answers": {
        "measure": "nprs",
        "question_system": LOINC,
        "question_code": "72514-3",
        "answer_system": LOINC,
        "answer_code": "LA6113-0",
        "score": "2",
        "source": "a guide",
    },
}


def written(folder: Path, **rows: list[dict[str, str]]) -> Path:
    """The three files, each with its good row unless told otherwise."""
    for name, columns in COLUMNS.items():
        cells = [[row.get(column, "") for column in columns] for row in rows.get(name, [ROWS[name]])]
        lines = [",".join(line) for line in (columns, *cells)]
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_the_numeric_rating_runs_from_0_to_10_and_the_line_has_100_mm() -> None:
    assert load_value_rules().measures == (Measure("nprs", "{score}", 0, 10), Measure("vas", "mm", 0, 100))


def test_every_answer_of_loincs_list_has_its_score_under_its_question_alone() -> None:
    answers = load_value_rules().answers
    assert [answer.score for answer in answers] == list(range(11))
    assert {(answer.question_system, answer.question_code) for answer in answers} == {(LOINC, "72514-3")}
    concepts = {(code.code, code.concept) for code in load_codes() if code.code_set == "pain_answer"}
    assert ("LA6113-0", answers[2].concept) in concepts


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        (("nprs", "code", "{}"), 1),
        (("nprs", "code", "1"), 1),
        (("nprs", "text", ""), 1),
        (("nprs", "text", "mm"), None),
        (("vas", "code", "mm"), 1),
        (("vas", "code", "cm"), 10),
    ],
)
def test_a_unit_has_its_factor(unit: tuple[str, str, str], factor: float | None) -> None:
    assert Unit(*unit, factor) in load_value_rules().units


def test_good_rows_are_read(tmp_path: Path) -> None:
    rules = load_value_rules(written(tmp_path))
    assert rules.answers == (Answer("nprs", LOINC, "72514-3", "2", 2.0),)


@pytest.mark.parametrize(
    ("name", "change", "column", "problem"),
    [
        ("measures", {"source": ""}, "source", "the cell is empty"),
        ("measures", {"measure": "mood"}, "measure", "'mood' is unknown"),
        ("measures", {"low": "none"}, "low", "this is no number"),
        ("measures", {"high": "0"}, "high", "it is not above low"),
        ("measures", {"high": "nan"}, "high", "this is no number"),
        ("units", {"source": ""}, "source", "the cell is empty"),
        ("units", {"measure": "vas"}, "measure", "'vas' is unknown"),
        ("units", {"written": "loud"}, "written", "'loud' is unknown"),
        ("units", {"unit": "MM"}, "unit", "units are compared in lower case"),
        ("units", {"unit": "{score}"}, "unit", "every UCUM annotation counts alike"),
        ("units", {"unit": ""}, "unit", "the cell is empty"),
        ("units", {"factor": ""}, "factor", "a code without a factor counts nothing anyway"),
        ("units", {"factor": "0,1"}, "", "cells; expected are"),
        ("answers", {"source": ""}, "source", "the cell is empty"),
        ("answers", {"question_code": "1-1"}, "question_code", "1-1 is in no canonical code set"),
        ("answers", {"answer_code": "LA1-1"}, "answer_code", "LA1-1 is in no canonical code set"),
        ("answers", {"question_code": "38214-3"}, "question_code", "this question asks for vas"),
        ("answers", {"score": "two"}, "score", "this is no number"),
    ],
)
def test_a_wrong_cell_is_told_by_file_row_and_column(
    tmp_path: Path, name: str, change: dict[str, str], column: str, problem: str
) -> None:
    rows: dict[str, Any] = {name: [ROWS[name] | change]}
    with pytest.raises(TerminologyError) as caught:
        load_value_rules(written(tmp_path, **rows))
    assert f"{name}.csv, row 2" in caught.value.message
    assert column in caught.value.message
    assert problem in caught.value.message
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("name", "again"), [("measures", {"unit": "1"}), ("units", {"factor": "2"}), ("answers", {"score": "9"})]
)
def test_two_rows_for_one_thing_are_refused(tmp_path: Path, name: str, again: dict[str, str]) -> None:
    rows: dict[str, Any] = {name: [ROWS[name], ROWS[name] | again]}
    with pytest.raises(TerminologyError, match=r"row 3, column .*: the same as in .*row 2"):
        load_value_rules(written(tmp_path, **rows))


def test_the_page_of_the_mappings_names_every_file_of_value_rules() -> None:
    root = Path(__file__).parents[2]
    page = (root / "docs" / "mappings.md").read_text(encoding="utf-8")
    listed = re.findall(r"(?m)^\| `(\w+\.csv)` \|", page[page.index("## Values") :])
    assert sorted(listed) == sorted(path.name for path in (root / "mappings" / "values").glob("*.csv"))
