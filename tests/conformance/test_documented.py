"""The conformance tables of docs/mappings.md are what runs, and its lists are what the compiler knows."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from mappings.compiler import compile_view
from mappings.compiler_functions import _FUNCTIONS
from mappings.viewdef import load_views, parse_view
from tests.conformance.harness import cases
from tests.conformance.test_official import CASES as OFFICIAL
from tests.conformance.test_official import FOLDER

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "mappings.md").read_text(encoding="utf-8")
HOW_TO = (ROOT / "docs" / "how-to" / "write-a-view.md").read_text(encoding="utf-8")
OWN = cases(Path(__file__).parent / "cases")


def table(title: str) -> dict[str, int]:
    """The counts of the table whose first column has this title, by file."""
    rows = PAGE[PAGE.index(f"| {title} |") :].split("\n\n")[0]
    return {file: int(count) for file, count in re.findall(r"(?m)^\| `([^`]+)` \|.*\| (\d+) \|$", rows)}


def test_the_table_of_own_cases_is_what_runs() -> None:
    assert table("own cases") == Counter(case.file for case in OWN)


@pytest.mark.skipif(not FOLDER, reason="set SQL_ON_FHIR_TESTS to the folder of the official test files")
def test_the_table_of_the_official_suite_is_what_runs() -> None:
    assert table("file of the official suite") == Counter(case.file for case in OFFICIAL)


def test_the_table_of_the_official_suite_adds_up_to_134_and_the_later_7() -> None:
    counts = table("file of the official suite")
    assert sum(counts.values()) == 134 + counts["fn_reference_keys.sof-js.json"] == 134 + 7


def test_the_functions_listed_are_those_the_compiler_knows() -> None:
    [listed] = re.findall(r"(?m)^\| functions \| (.*) \|$", PAGE)
    assert sorted(re.findall(r"`(\w+)`", listed)) == sorted(_FUNCTIONS)


def test_the_view_of_the_how_to_compiles_and_replaces_the_shipped_one() -> None:
    whole, part = (json.loads(block) for block in re.findall(r"(?s)```json\n(.*?)```", HOW_TO))
    [shipped] = [named for named in load_views(ROOT / "mappings" / "views") if named.table == "patient"]
    compiled = compile_view(parse_view(whole), fhir_version="R4")
    assert [c.name for c in compiled.columns] == [
        c.name for c in compile_view(shipped.view, fhir_version="R4").columns
    ]
    fragment = {
        "resourceType": "ViewDefinition",
        "name": "x",
        "status": "active",
        "resource": "Condition",
        **part,
    }
    assert [c.name for c in compile_view(parse_view(fragment), fhir_version="R4").columns] == [
        *("condition_key", "system", "code")
    ]


@pytest.mark.parametrize("path", re.findall(r"(?m)^\| [^|`]+ \| `([^`\"]+)` \|$", HOW_TO))
def test_each_path_of_the_how_to_compiles(path: str) -> None:
    resource = "Patient" if path.startswith("birthDate") else "Observation"
    column = {"name": "x", "path": path}
    view = {"resourceType": "ViewDefinition", "name": "x", "status": "active", "resource": resource}
    compile_view(parse_view({**view, "select": [{"column": [column]}]}), fhir_version="R4")
