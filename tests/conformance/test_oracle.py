"""The compiler and the interpreter agree: on all cases, and on made-up resources for every shipped view."""

import random
from pathlib import Path

import pytest

from mappings.viewdef import NamedView, parse_view
from tests.conformance.harness import Case, cases
from tests.conformance.made_up import Maker
from tests.conformance.oracle import VIEWS, both, computed

# The interpreter leaves out the boundaries and the types of columns, which are tested by value.
CASES = [
    case
    for case in cases(Path(__file__).parent / "cases")
    if case.suite not in ("boundary", "column_type") and "expect" in case.test
]
RESOURCES = 150


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.suite}: {case.title}")
def test_both_agree_on_a_case(case: Case) -> None:
    interpreted, compiled = both(parse_view(case.test["view"]), case.fhir_version, case.resources)
    assert interpreted == compiled


@pytest.mark.parametrize(("named", "version"), VIEWS, ids=lambda value: getattr(value, "table", value))
def test_both_agree_on_made_up_resources(named: NamedView, version: str) -> None:
    repeatable = random.Random(f"{named.path.name} {version}")  # noqa: S311 -- test data
    maker = Maker(named, version, repeatable)
    resources = [maker.resource(f"r{number}") for number in range(RESOURCES)]
    interpreted, compiled = both(named.view, version, resources)
    assert interpreted == compiled
    found = computed(named.view, version, resources)
    assert [row for row in found if isinstance(row, dict)], "no made-up resource gave a row"
