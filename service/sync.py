"""The first step of a night: bring the warehouse up to date with every center, and map what has landed.

A center that fails does not stop the other, and nothing incomplete is called a success: the run row and the
exit code say so.
"""

import datetime as dt
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ingest.client import FhirClient
from ingest.gate_pool import GatePool
from ingest.sync import CenterReport, SyncContext, sync_center
from mappings.errors import IncompleteError, InvalidShareError, SignInError, StoppedError, ViewError
from service.centers import ReconcileDemand, ingest_centers, reconcile_rules
from service.run import LedgerRun, Night, ledger_run, open_warehouse
from service.settings import Settings
from service.study import build_input, study_codes
from warehouse.build import BuiltTable, build_flat
from warehouse.built import count_made
from warehouse.connection import Warehouse
from warehouse.health import quarantine_shares
from warehouse.runs import CenterSync, finish_center
from warehouse.type_sync import note_types

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
            step.made = count_made(tables)
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
