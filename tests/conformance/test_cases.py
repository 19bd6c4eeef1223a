"""The project's own conformance cases: one file a feature, in the format of the official suite."""

from pathlib import Path

import duckdb
import pytest

from mappings.errors import ViewError
from tests.conformance.harness import Case, cases, differences, run

CASES = cases(Path(__file__).parent / "cases")


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.suite}: {case.title}")
def test_own_case(case: Case) -> None:
    if case.test.get("expectError"):
        with pytest.raises((ViewError, duckdb.ConversionException)):
            run(case)
    else:
        assert differences(case) == ""
