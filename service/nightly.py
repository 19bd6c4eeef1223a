"""The story of a night: sync the centers, refresh the outcomes, publish a release, write the report.

`sync_night`, `refresh_night` and `report_night` are the steps that the scheduler, cron or an operator start;
`run_night` is all of them. A center that fails does not stop the other, and nothing incomplete is called a
success: the run row, the report's head and the exit code say so.
"""

import datetime as dt
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import structlog

from ingest.client import FhirClient
from ingest.gate_pool import GatePool
from ingest.sync import CenterReport, SyncContext, sync_center
from mappings.errors import (
    ConfigError,
    FatalCheckError,
    IncompleteError,
    InvalidShareError,
    SignInError,
    StoppedError,
    ViewError,
)
from outcomes.disclosure import AudienceName
from outcomes.figures import write_figures
from outcomes.metric import load_metrics
from outcomes.refresh import refresh
from outcomes.report.facts import read_published
from outcomes.report.page import write_report
from outcomes.results import MetricResult
from service.engine import engine_for
from service.run import LedgerRun, Night, ledger_run, open_warehouse
from service.settings import Settings
from service.study import (
    ReconcileDemand,
    build_input,
    ingest_centers,
    product_version,
    publish_input,
    reconcile_rules,
    report_audience,
    report_facts,
    study_codes,
    tables_to_trace,
)
from warehouse.build import BuiltTable, build, build_flat
from warehouse.connection import Warehouse
from warehouse.engines.session import SparkPlace
from warehouse.health import quarantine_shares
from warehouse.mart import open_mart
from warehouse.publish import Release, publish, require_known_keys
from warehouse.quality import CheckResult, run_checks
from warehouse.runs import CenterSync, finish_center, finish_run
from warehouse.trace import trace_run
from warehouse.type_sync import note_types

__all__ = [
    "Night",
    "RefreshReport",
    "SyncReport",
    "fail_unless_complete",
    "map_landed",
    "open_warehouse",
    "refresh_night",
    "report_night",
    "run_night",
    "sync_night",
]

TAKES_UP = "it takes up where this one stopped."


@dataclass(frozen=True, slots=True)
class SyncReport:
    """How the sync of every center ended, and the flat tables that what it landed was mapped into.

    `view_error` says why nothing was mapped: what has landed stays, and the next refresh maps it.
    """

    run_id: int
    centers: tuple[CenterReport, ...]
    mapped: Sequence[BuiltTable]
    view_error: ViewError | None


@dataclass(frozen=True, slots=True)
class RefreshReport:
    """What a refresh built, checked, computed and published."""

    run_id: int
    tables: Sequence[BuiltTable]
    checks: Sequence[CheckResult]
    results: Sequence[MetricResult]
    release: Release


def run_night(night: Night) -> tuple[SyncReport, RefreshReport, Path]:
    """A whole night; returns what was synced and refreshed, and the report's path."""
    synced = sync_night(night)
    refreshed = refresh_night(night)
    return synced, refreshed, report_night(night)


def sync_night(night: Night, demand: ReconcileDemand | None = None) -> SyncReport:
    """Bring the warehouse up to date with every center, all at the same time, and map what has landed.

    Deletions are looked for where that is due, or as `demand` says.
    Raises SignInError, ServerError, IncompleteError or InvalidShareError once everything that could be read
    has landed and the run is closed. A view that fails is told in the report.
    """
    settings = night.settings
    codes, rules = study_codes(settings), reconcile_rules(settings, demand or ReconcileDemand())
    with open_warehouse(settings) as warehouse, ledger_run(night, warehouse, "sync") as run:
        with GatePool(os.cpu_count() or 1) as gate:
            context = SyncContext(
                run.run_id, codes, night.clock, night.progress, night.is_stopping, gate, rules
            )
            centers = _sync_centers(settings, warehouse, context)
        for center in centers:
            finish_center(warehouse, _center_sync(run.run_id, center, night.clock()))
        note_types(warehouse, [row for center in centers for row in center.account(run.run_id)])
        mapped, view_error = map_landed(night, warehouse, run)
        fail_unless_complete(centers)
        _fail_if_too_much_is_invalid(settings, warehouse)
    return SyncReport(run.run_id, centers, mapped, view_error)


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
            step.made = _made(tables)
        with run.steps.step("compute") as step:
            results = refresh(transaction, run.run_id, engine)
            trace_run(transaction, run.run_id, tables_to_trace(), version=product_version())
            step.made = len(results)
    return tables, results


def _made(tables: Sequence[BuiltTable]) -> int:
    """How many were made or changed; the others were kept."""
    return sum(bool(table.reasons) for table in tables)


def report_night(night: Night, audience: AudienceName | None = None) -> Path:
    """Write the HTML report of the published release, and every figure beside it: CSV, JSON and Parquet.

    For `audience`, or whom the configuration names; what is shared has a file of its own: `<name>-shared`.
    """
    settings, chosen = night.settings, report_audience(night.settings, audience)
    _make_report_folder(settings)
    target = settings.report_file
    if chosen.name == "shared":
        target = target.with_stem(f"{target.stem}-shared")
    with open_mart(settings.warehouse_folder) as mart:
        write_figures([*read_published(mart, chosen).results], load_metrics(), target)
        return write_report(mart, target, report_facts(settings, mart, night.clock(), chosen))


def _make_report_folder(settings: Settings) -> None:
    folder = settings.report_file.parent
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"cryocohort.toml: report.file: {folder} cannot be made ({error.strerror}).",
            "name a file in a folder that the user who runs cryocohort may write to.",
        ) from None


def _log_work(run_id: int, tables: Sequence[BuiltTable], checks: Sequence[CheckResult]) -> None:
    """What was built and what the checks found, for those who want to hear of each."""
    log = structlog.get_logger().bind(run_id=run_id)
    for table in tables:
        if table.reasons:
            log.debug("built", table=table.table, rows=table.rows, reasons=list(table.reasons))
    for check in checks:
        if check.status != "passed":
            log.debug("checked", check=check.check, status=check.status, severity=check.severity)


def _sync_centers(settings: Settings, warehouse: Warehouse, context: SyncContext) -> tuple[CenterReport, ...]:
    centers = ingest_centers(settings)

    def sync(position: int) -> CenterReport:
        center, stopping = centers[position], context.is_stopping
        with FhirClient(center, clock=context.now, read=context.gate.read, is_stopping=stopping) as client:
            return sync_center(center, client, warehouse, context)

    with ThreadPoolExecutor(max_workers=len(centers)) as pool:
        return tuple(pool.map(sync, range(len(centers))))


def map_landed(
    night: Night, warehouse: Warehouse, run: LedgerRun
) -> tuple[Sequence[BuiltTable], ViewError | None]:
    """Bring the flat tables up to what has landed; a view that fails must not undo or hide the landing."""
    if night.is_stopping():
        return (), None
    flat_input = build_input(night.settings, run.run_id)
    try:
        with run.steps.step("map") as step, warehouse.transaction() as transaction:
            tables = build_flat(transaction, flat_input, folder=warehouse.folder)
            step.made = _made(tables)
    except ViewError as error:
        run.message = error.message
        return (), error
    return tables, None


def _center_sync(run_id: int, center: CenterReport, now: dt.datetime) -> CenterSync:
    return CenterSync(run_id, center.center_id, center.status, " ".join(center.reasons), now)


def fail_unless_complete(centers: Sequence[CenterReport], command: str = "cryocohort sync") -> None:
    """Raise what decides the exit code when a center was not read completely, with every reason.

    `command` is what reads on where this run stopped.
    """
    incomplete = [center for center in centers if center.status == "incomplete"]
    if incomplete:
        is_refused = all(isinstance(center.error, SignInError) for center in incomplete)
        errors = [center.error for center in incomplete if center.error is not None]
        steps = dict.fromkeys(error.next_step for error in errors if not isinstance(error, StoppedError))
        raise (SignInError if is_refused else IncompleteError)(
            " ".join(reason for center in incomplete for reason in center.reasons),
            " ".join([*steps, f"{'Then run' if steps else 'run'} `{command}` again: {TAKES_UP}"]),
        )


def _fail_if_too_much_is_invalid(settings: Settings, warehouse: Warehouse) -> None:
    limit = settings.file.ingest.max_invalid_percent
    for share in quarantine_shares(warehouse):
        if 100 * share.quarantined > limit * share.resources:
            raise InvalidShareError(
                f"Center {share.center_id}: {share.quarantined} of {share.resources} resources are invalid, "
                f"more than {limit} %.",
                "send the center what `cryocohort quarantine list` says of them; what is valid has landed. "
                "Or raise ingest.max_invalid_percent.",
            )


def _withhold_if_fatal(checks: Sequence[CheckResult]) -> None:
    fatal = [check for check in checks if check.withholds_release]
    if fatal:
        raise FatalCheckError(
            "The release is withheld; the last one stays. "
            + " ".join(f"{check.title} ({check.check}): {check.message}." for check in fatal),
            " ".join(check.advice for check in fatal),
        )
