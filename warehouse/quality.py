"""Quality checks: `checks/*.sql`, each a query of the rows that violate it.

Checks look at what the build committed: DuckDB gives up a whole transaction at its first failed statement,
but a check that cannot run has to be a result like any other. Categories after Kahn et al. 2016
(doi:10.13063/2327-9214.1244); a violated `fatal` check withholds the release, `convention` warns,
`characterization` informs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Literal

from mappings.errors import StatementError
from warehouse.connection import Warehouse
from warehouse.sqlfile import CheckHeader, SqlFile, read_sql_folder

CHECKS = files("warehouse") / "checks"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check found; violations and denominator are None when the check itself could not run."""

    check: str
    title: str
    category: str
    severity: Literal["fatal", "convention", "characterization"]
    status: Literal["passed", "violated", "failed"]
    violations: int | None
    denominator: int | None
    message: str
    advice: str

    @property
    def withholds_release(self) -> bool:
        """Whether it is fatal and did not pass: a fatal check that cannot run proves nothing."""
        return self.severity == "fatal" and self.status != "passed"


def run_checks(warehouse: Warehouse, run_id: int, *, folder: Traversable = CHECKS) -> list[CheckResult]:
    """Run every check on the committed tables, note the results in `ops.check_result`, return them by name.

    Raises SqlFileError when a file's header breaks its contract.
    """
    results = [_run(warehouse, check) for check in _load(folder)]
    with warehouse.transaction() as transaction:
        transaction.execute("DELETE FROM ops.check_result WHERE run_id = ?", [run_id])
        transaction.insert("ops.check_result", [_row(run_id, result) for result in results])
    return results


def _load(folder: Traversable) -> Sequence[SqlFile[CheckHeader]]:
    return read_sql_folder(folder, CheckHeader)


def _run(warehouse: Warehouse, check: SqlFile[CheckHeader]) -> CheckResult:
    try:
        query = "\n".join(["SELECT count(*) AS violations FROM (", check.body, ") AS violating"])
        violations = _number(warehouse, query)
        denominator = _number(warehouse, check.header.denominator)
    except StatementError as error:
        return _result(check, "failed", message=f"The check could not run. {error.message}")
    is_violated = violations > check.header.threshold * denominator
    return _result(
        check,
        "violated" if is_violated else "passed",
        violations=violations,
        denominator=denominator,
        message=f"{violations} of {denominator}",
    )


def _number(warehouse: Warehouse, query: str) -> int:
    values = [value for row in warehouse.rows(query) for value in row.values()]
    if len(values) != 1 or not isinstance(values[0], int):
        raise StatementError("Its denominator is not one whole number.", "Correct the check.")
    return values[0]


def _result(
    check: SqlFile[CheckHeader],
    status: Literal["passed", "violated", "failed"],
    *,
    message: str,
    violations: int | None = None,
    denominator: int | None = None,
) -> CheckResult:
    header = check.header
    return CheckResult(
        check=header.check,
        title=header.title,
        category=header.category,
        severity=header.severity,
        status=status,
        violations=violations,
        denominator=denominator,
        message=message,
        advice=header.advice,
    )


def _row(run_id: int, result: CheckResult) -> dict[str, object]:
    return {
        "run_id": run_id,
        "check_name": result.check,
        "severity": result.severity,
        "violations": result.violations,
        "denominator": result.denominator,
        "status": result.status,
        "message": result.message,
    }
