"""`serve`: the steps of the night as scheduled work, logged, told and shown, until a signal asks to stop."""

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from mappings.errors import CryocohortError, NothingPublishedError, WarehouseError
from service.notify import told
from service.refresh import refresh_night
from service.report import report_night
from service.run import Night
from service.scheduler import Beat, ScheduledStep, Timetable, run_timetable
from service.settings import Settings
from service.status import STEPS, Status, Step, read_status, triggers
from service.status_page import status_page
from service.sync import sync_night
from service.systemd import Manager
from warehouse.lock import FolderLock

# A clock that was set back by less than this starts no second run for the same time.
AHEAD = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Service:
    """One run of `serve`: what its nights work with, when it began (aware UTC), who hears of it."""

    night: Night
    began: dt.datetime
    log: Any


def serve_nights(night: Night, stop: threading.Event, manager: Manager) -> None:
    """Sync and refresh on the configured crons until `stop` is set; a step at work ends first.

    Raises WarehouseBusyError when another `serve` works for the same warehouse.
    """
    service = Service(night, night.clock(), structlog.get_logger())
    with ExitStack() as stack:
        stack.enter_context(_alone(night.settings))
        stack.enter_context(status_page(night.settings, night.clock))
        table = timetable(service, manager)
        _log_starts(service, table)
        manager.ready()
        run_timetable(table, stop=stop, clock=night.clock, report=_event_log(service))
        manager.stopping()
    service.log.info("stopped")


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Hold the warehouse's second lock, so that a night never starts from two services."""
    settings.warehouse_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FolderLock.acquire(settings.warehouse_folder, "serve")
    try:
        yield
    finally:
        lock.release()


def timetable(service: Service, manager: Manager) -> Timetable:
    """The steps with their configured crons, and the signs of life that the service manager waits for."""
    work: dict[Step, Callable[[Night], None]] = {"sync": _sync, "refresh": _refresh}
    settings = service.night.settings
    found = triggers(settings)
    steps = [
        ScheduledStep(step, found[step], _logged(service, step, work[step]), _last_start(service, step))
        for step in STEPS
    ]
    beats = [Beat("watchdog", manager.every, manager.alive)] if manager.every else []
    return Timetable(steps, dt.timedelta(hours=settings.file.schedule.misfire_grace_hours), beats)


def last_start(status: Status, step: Step, now: dt.datetime, began: dt.datetime) -> dt.datetime | None:
    """When `step` was last tried; None when never.

    A night that failed before this service began does not count: a restart tries it again. A refresh without
    its release counts as failed. A run far ahead of `now` was begun by a clock that was wrong: it does not
    keep the service from working until then.
    """
    tried = [run.started_at for run in status.runs if run.kind == step and run.started_at >= began]
    complete = status.last_complete[step]
    if complete and (step == "sync" or (status.release and status.release.run_id >= complete.run_id)):
        tried.append(complete.started_at)
    return max((start for start in tried if start <= now + AHEAD), default=None)


def _last_start(service: Service, step: Step) -> Callable[[dt.datetime], dt.datetime | None]:
    def last(now: dt.datetime) -> dt.datetime | None:
        try:
            status = read_status(service.night.settings.warehouse_folder)
        except NothingPublishedError:
            return None
        except WarehouseError as error:
            # Another version's file: the next run writes it anew.
            service.log.warning("status unreadable", message=error.message, next=error.next_step)
            return None
        return last_start(status, step, now, service.began)

    return last


def _sync(night: Night) -> None:
    report = sync_night(night)
    if report.view_error:
        raise report.view_error


def _refresh(night: Night) -> None:
    refresh_night(night)
    report_night(night)


def _logged(service: Service, step: Step, work: Callable[[Night], None]) -> Callable[[], None]:
    """The work with a log line at its start and its end; a failure of the tree is told, not raised."""
    night, log = service.night, service.log

    def logged() -> None:
        # A step that waited behind another when the stop came does not begin.
        if night.is_stopping():
            return
        log.info("started", step=step)
        try:
            with told(night.settings, step, night.clock, night.is_stopping):
                work(night)
        except CryocohortError as error:
            if night.is_stopping():
                log.info("interrupted", step=step, message=error.message)
                return
            # Without the traceback: its frames may quote content.
            log.error(  # noqa: TRY400
                "failed", step=step, exit_code=error.exit_code, message=error.message, next=error.next_step
            )
        else:
            log.info("complete", step=step)

    return logged


def _log_starts(service: Service, table: Timetable) -> None:
    for step in table.steps:
        start = step.trigger.first_after(service.began)
        service.log.info("scheduled", step=step.name, next_start=start.isoformat())


def _event_log(service: Service) -> Callable[[str, str], None]:
    return lambda step, event: service.log.error(event, step=step)
