"""One run: what it works with, and its row in the ledger, opened at its start and closed as what it was."""

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from mappings.errors import CryocohortError, FatalCheckError, InvalidShareError, ServerError, SignInError
from service.secret_prints import secret_prints
from service.settings import Settings
from service.status import note_status
from service.steps import StepClock
from service.study import config_fingerprint, product_version
from warehouse.connection import Warehouse
from warehouse.runs import RunKind, RunStatus, finish_run, start_run

if TYPE_CHECKING:  # a refresh needs nothing of what reads centers
    from ingest.context import Progress


@dataclass(frozen=True, slots=True)
class Night:
    """What a night works with: configuration, clock (aware UTC), who hears of it and who may stop it."""

    settings: Settings
    clock: Callable[[], dt.datetime]
    progress: "Progress"
    is_stopping: Callable[[], bool]


@dataclass(slots=True)
class LedgerRun:
    """The run under way: its number, its steps, and how it will be closed."""

    run_id: int
    steps: StepClock
    status: RunStatus = "complete"
    message: str = ""


def open_warehouse(settings: Settings) -> Warehouse:
    """The configured warehouse, locked for this process; a context manager."""
    place = settings.file.warehouse
    return Warehouse.open(settings.warehouse_folder, threads=place.threads, memory_limit=place.memory_limit)


@contextmanager
def ledger_run(night: Night, warehouse: Warehouse, kind: RunKind) -> Iterator[LedgerRun]:
    """Open a run in the ledger and close it as what it was, also when the block raises."""
    run_id = start_run(
        warehouse,
        kind=kind,
        now=night.clock(),
        version=product_version(),
        config_fingerprint=config_fingerprint(night.settings.folder),
        secret_prints=secret_prints(night.settings),
    )
    run = LedgerRun(run_id, StepClock(run_id, night.clock))
    log, began = structlog.get_logger().bind(run_id=run.run_id, kind=kind), night.clock()
    log.info("run started")
    try:
        note_status(warehouse)
        yield run
    except BaseException as error:
        run.status, run.message = _ending(error)
        raise
    finally:
        finish_run(
            warehouse,
            run_id,
            status=run.status,
            now=night.clock(),
            message=run.message,
            steps=run.steps.ended,
        )
        seconds = round((night.clock() - began).total_seconds(), 3)
        log.info("run ended", status=run.status, seconds=seconds, message=run.message)
        note_status(warehouse)


def _ending(error: BaseException) -> tuple[RunStatus, str]:
    match error:
        case FatalCheckError():
            return "withheld", error.message
        case ServerError() | SignInError() | InvalidShareError():
            return "incomplete", error.message
        case CryocohortError():
            return "failed", error.message
    # The text of any other exception may quote content, so the ledger keeps its class alone.
    return "failed", type(error).__name__
