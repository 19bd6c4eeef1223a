"""The project's own conformance cases: one file a feature, in the format of the official suite."""

import json
from pathlib import Path

import pytest

from tests.conformance.harness import Case, Report, cases, verdict

CASES = cases(Path(__file__).parent / "cases")


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.suite}: {case.title}")
def test_own_case(case: Case) -> None:
    assert verdict(case) == ""


def test_the_report_says_by_file_which_case_passed(tmp_path: Path) -> None:
    good = next(case for case in CASES if case.test.get("expect"))
    bad = Case(good.file, good.suite, "wrong", good.fhir_version, good.resources, {**good.test, "expect": []})
    report = Report()
    assert report.judge(good) == ""
    assert report.judge(bad) != ""
    report.write(tmp_path / "new" / "test_report.json")
    written = json.loads((tmp_path / "new" / "test_report.json").read_text(encoding="utf-8"))
    assert written == {
        good.file: {
            "tests": [
                {"name": good.title, "result": {"passed": True}},
                {"name": "wrong", "result": {"passed": False}},
            ]
        }
    }
