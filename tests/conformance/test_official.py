"""The official test suite of SQL on FHIR, taken from the folder that SQL_ON_FHIR_TESTS names."""

import os
from pathlib import Path

import duckdb
import pytest

from mappings.errors import ViewError
from tests.conformance.harness import Case, cases, differences, run

FOLDER = os.environ.get("SQL_ON_FHIR_TESTS")
CASES = cases(Path(FOLDER)) if FOLDER else []


@pytest.mark.skipif(not FOLDER, reason="set SQL_ON_FHIR_TESTS to the folder of the official test files")
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.suite}: {case.title}")
def test_official_case(case: Case) -> None:
    if case.test.get("expectError"):
        with pytest.raises((ViewError, duckdb.ConversionException)):
            run(case)
    else:
        assert differences(case) == ""
