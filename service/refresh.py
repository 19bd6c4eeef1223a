"""The second step of a night: build the tables, compute every figure, check them, publish a release."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from mappings.errors import FatalCheckError
from outcomes.refresh import refresh
from outcomes.results import MetricResult
from service.engine import engine_for
from service.run import LedgerRun, Night, ledger_run, open_warehouse
from service.settings import Settings
from service.study import build_input, product_version, publish_input, tables_to_trace
from warehouse.build import BuiltTable, build
from warehouse.built import count_made
from warehouse.connection import Warehouse
from warehouse.engines.session import SparkPlace
from warehouse.publish import Release, publish, require_known_keys
from warehouse.quality import CheckResult, run_checks
from warehouse.runs import finish_run
from warehouse.trace import trace_run


@dataclass(frozen=True, slots=True)
class RefreshReport:
    """What a refresh built, checked, computed and published."""

    run_id: int
    tables: Sequence[BuiltTable]
    checks: Sequence[CheckResult]
    results: Sequence[MetricResult]
    release: Release


def refresh_night(
    night: Night, accepted_keys: frozenset[str] = frozenset(), spark: SparkPlace | None = None
) -> RefreshReport:
    """Build, check, compute and publish from what has landed; raises FatalCheckError when withheld.

    Core tables, cohorts and the rows of the metrics are made on `spark` where it is named, else by DuckDB.
    Raises ConfigError when a center's pseudonymization key has changed and is not among `accepted_keys`.
    """
    settings = night.settings
    with open_warehouse(settings) as warehouse, ledger_run(night, warehouse, "refresh") as run:
        release_input = publish_input(settings, run.run_id, night.clock())
        require_known_keys(warehouse, release_input, accepted_keys)
        tables, results = _build_and_compute(settings, warehouse, run, spark)
        with run.steps.step("check") as step:
            checks = run_checks(warehouse, run.run_id)
            step.made = len(checks)
        _log_work(run.run_id, tables, checks)
        _withhold_if_fatal(checks)
        # Closed before it is published, so that the release's own ledger does not call its run unfinished.
        finish_run(warehouse, run.run_id, status="complete", now=night.clock(), steps=run.steps.ended)
        with run.steps.step("publish") as step:
            release = publish(warehouse, release_input)
            step.made = len(release.tables)
    return RefreshReport(run.run_id, tables, checks, results, release)


def _build_and_compute(
    settings: Settings, warehouse: Warehouse, run: LedgerRun, spark: SparkPlace | None
) -> tuple[Sequence[BuiltTable], Sequence[MetricResult]]:
    """The tables and every figure of them, in one transaction: a reader finds both of a run, or neither."""
    folder, made_from = warehouse.folder, build_input(settings, run.run_id)
    with warehouse.transaction() as transaction, engine_for(transaction, folder, spark, made_from) as engine:
        with run.steps.step("build") as step:
            tables = build(transaction, made_from, folder=folder, engine=engine)
            step.made = count_made(tables)
        with run.steps.step("compute") as step:
            results = refresh(transaction, run.run_id, engine)
            trace_run(transaction, run.run_id, tables_to_trace(), version=product_version())
            step.made = len(results)
    return tables, results


def _log_work(run_id: int, tables: Sequence[BuiltTable], checks: Sequence[CheckResult]) -> None:
    """What was built and what the checks found, for those who want to hear of each."""
    log = structlog.get_logger().bind(run_id=run_id)
    for table in tables:
        if table.reasons:
            log.debug("built", table=table.table, rows=table.rows, reasons=list(table.reasons))
    for check in checks:
        if check.status != "passed":
            log.debug("checked", check=check.check, status=check.status, severity=check.severity)


def _withhold_if_fatal(checks: Sequence[CheckResult]) -> None:
    fatal = [check for check in checks if check.withholds_release]
    if fatal:
        raise FatalCheckError(
            "The release is withheld; the last one stays. "
            + " ".join(f"{check.title} ({check.check}): {check.message}." for check in fatal),
            " ".join(check.advice for check in fatal),
        )
