"""The official test suite of SQL on FHIR, taken from the folder that SQL_ON_FHIR_TESTS names.

What came out is written as the standard's `test_report.json`, to the file that SQL_ON_FHIR_REPORT names or
into the folder of this run's temporary files.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.harness import Case, Report, cases

FOLDER = os.environ.get("SQL_ON_FHIR_TESTS")
CASES = cases(Path(FOLDER)) if FOLDER else []
# The suite of May 2026 has 134, and its later file of reference keys 4 more than it.
FEWEST = 134

pytestmark = pytest.mark.skipif(
    not FOLDER, reason="set SQL_ON_FHIR_TESTS to the folder of the official test files"
)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Report]:
    made = Report()
    yield made
    named = os.environ.get("SQL_ON_FHIR_REPORT")
    made.write(Path(named) if named else tmp_path_factory.mktemp("conformance") / "test_report.json")


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.suite}: {case.title}")
def test_official_case(case: Case, report: Report) -> None:
    assert report.judge(case) == ""


def test_the_suite_is_whole() -> None:
    assert len(CASES) >= FEWEST
