"""`serve`: sync and refresh as APScheduler cron jobs, until a signal asks to stop.

What is due is decided by the ledger's last complete run, not by a job store: a night missed while the
machine was down is made up for at the start (a persistent store loses exactly that case when jobs come
from configuration).
"""

import datetime as dt
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED, JobEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger

from mappings.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ScheduledStep:
    """A step of the night: its name, its cron, its work, and when it last ended well (UTC)."""

    name: str
    cron: str
    work: Callable[[], None]
    last_complete: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Timetable:
    """The steps in their order, the zone of their crons and how late a start may be."""

    steps: Sequence[ScheduledStep]
    timezone: str
    misfire_grace: dt.timedelta


def run_timetable(
    timetable: Timetable, *, stop: threading.Event, now: dt.datetime, report: Callable[[str, str], None]
) -> None:
    """Run the timetable until `stop` is set; a step already at work ends before this returns.

    `report(step, event)` hears of starts that were missed, skipped or failed with a defect.
    """
    scheduler = _scheduler(timetable, report)
    for position, step in enumerate(timetable.steps):
        start = next_start(step, timetable.timezone, now)
        scheduler.add_job(
            step.work,
            cron_trigger(step.cron, timetable.timezone),
            id=step.name,
            # Steps that are due at once keep their order: the scheduler starts what is due by time.
            next_run_time=start + dt.timedelta(milliseconds=position),
        )
    scheduler.start()
    stop.wait()
    scheduler.shutdown(wait=True)


def next_start(step: ScheduledStep, timezone: str, now: dt.datetime) -> dt.datetime:
    """When `step` starts next: at once when a start since its last complete run was missed."""
    trigger = cron_trigger(step.cron, timezone)
    if step.last_complete is None or first_after(trigger, step.last_complete) <= now:
        return now
    return first_after(trigger, now)


def cron_trigger(cron: str, timezone: str) -> CronTrigger:
    """The trigger of a five-field cron in an IANA zone."""
    try:
        return CronTrigger.from_crontab(cron, timezone=ZoneInfo(timezone))
    except ValueError as error:
        raise ConfigError(
            f"The cron {cron!r} is not understood ({error}).",
            "write minute, hour, day, month and weekday, for example `15 1 * * *`.",
        ) from None


def first_after(trigger: CronTrigger, moment: dt.datetime) -> dt.datetime:
    """The first start of `trigger` after `moment`; ConfigError for a cron that never comes due."""
    start: dt.datetime | None = trigger.get_next_fire_time(None, moment + dt.timedelta(microseconds=1))
    if start is None:
        raise ConfigError(f"The cron {trigger} never comes due.", "mend its day and month.")
    return start


def _scheduler(timetable: Timetable, report: Callable[[str, str], None]) -> BackgroundScheduler:
    # One worker: sync and refresh need the same warehouse, so a refresh due during a long sync waits.
    scheduler = BackgroundScheduler(
        executors={"default": ThreadPoolExecutor(1)},
        job_defaults={
            "coalesce": True,
            "max_instances": 1,
            "misfire_grace_time": int(timetable.misfire_grace.total_seconds()),
        },
        timezone=ZoneInfo(timetable.timezone),
    )
    names = {EVENT_JOB_ERROR: "failed", EVENT_JOB_MISSED: "missed", EVENT_JOB_MAX_INSTANCES: "skipped"}

    def heard(event: JobEvent) -> None:
        report(event.job_id, names[event.code])

    scheduler.add_listener(heard, EVENT_JOB_ERROR | EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES)
    return scheduler
