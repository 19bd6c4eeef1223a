"""Quality checks: what they count, what violates them, and that one that cannot run stops no other."""

from pathlib import Path

import pytest
from landing_examples import a_run

from mappings.errors import SqlFileError
from warehouse.connection import Warehouse
from warehouse.quality import CheckResult, run_checks

SCORES = "SELECT count(*) FROM core.score"


@pytest.fixture
def scored(warehouse: Warehouse) -> Warehouse:
    with warehouse.transaction() as transaction:
        transaction.execute(
            "CREATE TABLE core.score AS SELECT unnest([1, 5, 11, 12]) AS score, 'Canary' AS name"
        )
    return warehouse


def write_check(folder: Path, name: str, body: str, **fields: object) -> None:
    header = {
        "check": name,
        "title": "Scores lie between 0 and 10",
        "category": "plausibility",
        "severity": "fatal",
        "denominator": SCORES,
        "advice": "Correct the view.",
    } | fields
    lines = [
        f"-- {key} = {value if isinstance(value, float) else repr(value)}" for key, value in header.items()
    ]
    (folder / f"{name}.sql").write_text("\n".join(lines).replace("'", '"') + f"\n{body}\n")


def the_result(warehouse: Warehouse, folder: Path) -> CheckResult:
    (result,) = run_checks(warehouse, a_run(warehouse), folder=folder)
    return result


@pytest.mark.parametrize(
    ("body", "threshold", "status", "violations"),
    [
        ("SELECT * FROM core.score WHERE score > 12", 0.0, "passed", 0),
        ("SELECT * FROM core.score WHERE score > 10", 0.0, "violated", 2),
        ("SELECT * FROM core.score WHERE score > 10", 0.5, "passed", 2),
        ("SELECT * FROM core.score WHERE score > 10", 0.49, "violated", 2),
    ],
)
def test_a_check_is_violated_above_its_threshold(
    scored: Warehouse, tmp_path: Path, body: str, threshold: float, status: str, violations: int
) -> None:
    write_check(tmp_path, "in_range", body, threshold=threshold)
    result = the_result(scored, tmp_path)
    assert (result.status, result.violations, result.denominator) == (status, violations, 4)
    assert result.withholds_release == (status == "violated")


def test_every_result_is_noted_once_a_run(scored: Warehouse, tmp_path: Path) -> None:
    write_check(tmp_path, "in_range", "SELECT * FROM core.score WHERE score > 10")
    run_id = a_run(scored)
    for _ in range(2):
        run_checks(scored, run_id, folder=tmp_path)
    assert scored.rows("SELECT * FROM ops.check_result") == [
        {
            "run_id": run_id,
            "check_name": "in_range",
            "severity": "fatal",
            "violations": 2,
            "denominator": 4,
            "status": "violated",
            "message": "2 of 4",
        }
    ]


@pytest.mark.parametrize(
    ("body", "fields", "said"),
    [
        ("SELECT * FROM core.no_such_table", {}, "no_such_table"),
        (
            "SELECT CAST(name AS INTEGER) AS n FROM core.score WHERE CAST(name AS INTEGER) > 1",
            {},
            "Conversion",
        ),
        (
            "SELECT 1 AS x WHERE FALSE",
            {"denominator": "SELECT score FROM core.score"},
            "not one whole number",
        ),
        (
            "SELECT 1 AS x WHERE FALSE",
            {"denominator": "SELECT max(name) FROM core.score"},
            "not one whole number",
        ),
        (
            "SELECT 1 AS x WHERE FALSE",
            {"denominator": "SELECT max(score) FROM core.score WHERE FALSE"},
            "not one whole number",
        ),
    ],
)
def test_a_check_that_cannot_run_is_a_result_and_stops_no_other(
    scored: Warehouse, tmp_path: Path, body: str, fields: dict[str, object], said: str
) -> None:
    write_check(tmp_path, "a_broken", body, **fields)
    write_check(tmp_path, "b_fine", "SELECT * FROM core.score WHERE score > 99")
    broken, fine = run_checks(scored, a_run(scored), folder=tmp_path)
    assert (broken.status, broken.violations, broken.denominator) == ("failed", None, None)
    assert said in broken.message
    assert "Canary" not in broken.message
    assert broken.withholds_release
    assert fine.status == "passed"
    assert len(scored.rows("SELECT * FROM ops.check_result")) == 2


@pytest.mark.parametrize("severity", ["convention", "characterization"])
def test_only_fatal_checks_withhold_a_release(scored: Warehouse, tmp_path: Path, severity: str) -> None:
    write_check(tmp_path, "in_range", "SELECT * FROM core.score WHERE score > 10", severity=severity)
    result = the_result(scored, tmp_path)
    assert result.status == "violated"
    assert not result.withholds_release


def test_a_header_that_breaks_its_contract_is_an_error(scored: Warehouse, tmp_path: Path) -> None:
    write_check(tmp_path, "in_range", "SELECT 1 AS x", severity="terrible")
    with pytest.raises(SqlFileError, match="severity"):
        run_checks(scored, a_run(scored), folder=tmp_path)
