"""`serve`: the steps of the night as scheduled work, logged, until a signal asks to stop."""

import datetime as dt
import threading
from collections.abc import Callable

import structlog

from mappings.errors import CryocohortError
from service.nightly import Night, open_warehouse, refresh_night, report_night, sync_night
from service.scheduler import ScheduledStep, Timetable, next_start, run_timetable
from service.settings import Settings
from warehouse.publish import unpublished_run
from warehouse.runs import RunKind, last_run


def serve_nights(night: Night, stop: threading.Event) -> None:
    """Sync and refresh on the configured crons until `stop` is set; a step at work ends first."""
    log = structlog.get_logger()
    last = last_complete(night.settings)
    steps = [
        ScheduledStep("sync", night.settings.file.schedule.sync, _logged(night, "sync", _sync), last["sync"]),
        ScheduledStep(
            "refresh",
            night.settings.file.schedule.refresh,
            _logged(night, "refresh", _refresh),
            last["refresh"],
        ),
    ]
    table = timetable(night.settings, steps)
    for step in steps:
        log.info(
            "scheduled",
            step=step.name,
            next_start=next_start(step, table.timezone, night.clock()).isoformat(),
        )
    run_timetable(table, stop=stop, now=night.clock(), report=lambda step, event: log.error(event, step=step))
    log.info("stopped")


def timetable(settings: Settings, steps: list[ScheduledStep]) -> Timetable:
    """The configured zone and grace for `steps`."""
    schedule = settings.file.schedule
    return Timetable(steps, schedule.timezone, dt.timedelta(hours=schedule.misfire_grace_hours))


def last_complete(settings: Settings) -> dict[RunKind, dt.datetime | None]:
    """When the last complete sync and refresh began; a refresh without its release does not count."""
    with open_warehouse(settings) as warehouse:
        synced = last_run(warehouse, kinds=("sync",), status="complete")
        refreshed = last_run(warehouse, kinds=("refresh",), status="complete")
        is_published = unpublished_run(warehouse) is None
    return {
        "sync": synced.started_at if synced else None,
        "refresh": refreshed.started_at if refreshed and is_published else None,
    }


def _sync(night: Night) -> None:
    report = sync_night(night)
    if report.view_error:
        raise report.view_error


def _refresh(night: Night) -> None:
    refresh_night(night)
    report_night(night)


def _logged(night: Night, step: str, work: Callable[[Night], None]) -> Callable[[], None]:
    """The work with a log line at its start and its end; a failure of the tree is told, not raised."""
    log = structlog.get_logger()

    def logged() -> None:
        # A step that waited behind another when the stop came does not begin.
        if night.is_stopping():
            return
        log.info("started", step=step)
        try:
            work(night)
        except CryocohortError as error:
            # Without the traceback: its frames may quote content.
            log.error(  # noqa: TRY400
                "failed", step=step, exit_code=error.exit_code, message=error.message, next=error.next_step
            )
        else:
            log.info("complete", step=step)

    return logged
