"""The strict judge of SQL on FHIR test files: rows as multisets, exact columns, errors with data loaded."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from mappings.compiler import compile_view
from mappings.errors import CryocohortError, ViewError
from mappings.viewdef import parse_view

# Both expect '' for join() of an empty collection; FHIRPath says empty, and its authors proposed null.
DISPUTED = {("fhirpath", "string join"), ("fhirpath", "string join: default separator")}
BASE_URL = "http://server.example/fhir"


@dataclass(frozen=True, slots=True)
class Case:
    file: str
    suite: str
    title: str
    fhir_version: str
    resources: Sequence[Mapping[str, Any]]
    test: Mapping[str, Any]


def cases(folder: Path) -> list[Case]:
    """Every test of every test file of a folder and the folders in it."""
    found = []
    for path in sorted(folder.rglob("*.json")):
        suite = json.loads(path.read_text(encoding="utf-8"))
        version = "R5" if path.name.endswith(".r5.json") else "R4"
        if "resources" in suite:
            found += [
                Case(path.name, suite["title"], test["title"], version, suite["resources"], test)
                for test in suite["tests"]
            ]
    return found


def run(case: Case) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The columns and rows of the case's view over its resources, strictly compiled."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            "CREATE TABLE resource"
            "(center_id TEXT, base_url TEXT, resource_type TEXT, resource_id TEXT, body TEXT)"
        )
        for resource in case.resources:
            row = ["", BASE_URL, resource["resourceType"], resource.get("id"), json.dumps(resource)]
            connection.execute("INSERT INTO resource VALUES (?, ?, ?, ?, ?)", row)
        view = compile_view(parse_view(case.test["view"]), fhir_version=case.fhir_version, strict=True)
        result = connection.execute(view.sql)
        return [column[0] for column in result.description], result.fetchall()


def verdict(case: Case) -> str:
    """What is wrong with the outcome of a case, be it rows or an expected error; '' when nothing is."""
    if not case.test.get("expectError"):
        return differences(case)
    try:
        run(case)
    except (ViewError, duckdb.ConversionException):
        return ""
    return "an error was expected"


def differences(case: Case) -> str:
    """What is wrong with the rows of a case that expects rows; '' when nothing is."""
    columns, rows = run(case)
    expected = case.test["expect"]
    wanted = case.test.get("expectColumns")
    if wanted is not None and columns != wanted:
        return f"columns {columns}, expected {wanted}"
    names = sorted(expected[0]) if expected else sorted(columns)
    if sorted(columns) != names:
        return f"columns {sorted(columns)}, expected {names}"
    lenient = (case.suite, case.title) in DISPUTED
    got = Counter(_comparable(dict(zip(columns, row, strict=True)), lenient) for row in rows)
    want = Counter(_comparable(row, lenient) for row in expected)
    return "" if got == want else f"unexpected {list(got - want)}, missing {list(want - got)}"


def _comparable(row: Mapping[str, Any], is_lenient: bool) -> str:
    cells = {name: ("" if is_lenient and value is None else cell(value)) for name, value in row.items()}
    return json.dumps(cells, sort_keys=True)


def cell(value: Any) -> Any:
    """A value as it is compared: numbers by value, lists in order."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float | Decimal):
        return f"number {float(value)!r}"
    return [cell(item) for item in value] if isinstance(value, list) else value


class Report:
    """The outcome of each case by file, in the form of the standard's test report."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, list[dict[str, object]]]] = {}

    def judge(self, case: Case) -> str:
        """The verdict on a case, noted."""
        try:
            problem = verdict(case)
        except (CryocohortError, duckdb.Error) as error:
            problem = f"{type(error).__name__}: {error}"
        entry = {"name": case.title, "result": {"passed": not problem}}
        self.files.setdefault(case.file, {"tests": []})["tests"].append(entry)
        return problem

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.files, indent=2) + "\n", encoding="utf-8")
