"""The fault matrix in our words, and the page that says which test proves which row."""

import ast
import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent
PAGE = FOLDER.parents[1] / "docs" / "reliability.md"

FIRED = pytest.StashKey[int]()  # on a test: how often its faults fired, where it counts them
HAS_FAILED = pytest.StashKey[bool]()
Fired = Callable[[Any], Any]  # the fixture: takes a fault, or a number of faults, and gives it back

HEAD = """# Reliability

What can go wrong between a FHIR server and the warehouse, what cryocohort does about it, and the tests that
make it happen. Every row is a fault that was seen on real servers or in the clients of others. A test counts
only if its fault really fired; the last column says how often that was in the run that wrote this page. A
test outside `tests/faults`, which looks at its faults itself, counts once for each of its cases.

Written by `pytest -m "row and not soak" --reliability=docs/reliability.md`.

"""


@dataclass(frozen=True, slots=True)
class Row:
    """One fault, and what is done about it."""

    fault: str
    answer: str


@dataclass(frozen=True, slots=True)
class Proof:
    """A test that passed and injected a row's fault `fired` times."""

    row: int
    file: str
    test: str
    fired: int


def rows() -> dict[int, Row]:
    """The matrix, by number."""
    told = tomllib.loads((FOLDER / "matrix.toml").read_text(encoding="utf-8"))
    return {int(number): Row(**row) for number, row in told.items()}


def page(proofs: Iterable[Proof]) -> str:
    """The Markdown page of what was proved."""
    counts: dict[tuple[int, str, str], int] = {}
    for proof in proofs:
        key = (proof.row, proof.file, proof.test)
        counts[key] = counts.get(key, 0) + proof.fired
    lines = ["| row | fault | what is done | tests | faults injected |", "|---:|---|---|---|---:|"]
    for row, told in sorted(rows().items()):
        tests = sorted((file, test) for number, file, test in counts if number == row)
        shown = "<br>".join(f"`{file}::{test}`" for file, test in tests)
        total = sum(counts[row, file, test] for file, test in tests)
        lines.append(f"| {row} | {told.fault} | {told.answer} | {shown} | {total} |")
    return HEAD + "\n".join(lines) + "\n"


def told(text: str) -> set[tuple[int, str, str]]:
    """(row, file, test) of every test that a page names."""
    return {
        (int(line.split("|")[1]), file, test)
        for line in text.splitlines()
        if re.match(r"\| [0-9]+ \|", line)
        for file, test in re.findall(r"`(test_\w+\.py)::(\w+)`", line)
    }


def marked() -> set[tuple[int, str, str]]:
    """(row, file, test) of every test that is marked with a row of the matrix."""
    matrix = rows()
    return {
        (row, path.name, function.name)
        for path in FOLDER.parent.glob("*/test_*.py")
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(function, ast.FunctionDef)
        for row in _rows(function)
        if row in matrix
    }


def _rows(function: ast.FunctionDef) -> list[int]:
    return [
        argument.value
        for call in function.decorator_list
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "row"
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, int)
    ]
