"""`serve`'s timetable: sync and refresh as APScheduler jobs, until a signal asks to stop.

What is due is decided by the ledger, not by a job store: a step starts when its cron named a time since it
was last tried. So a night missed while the machine was down or asleep is made up for, a clock that jumps
back starts nothing twice, and two jobs that ask at once start one run.
"""

import datetime as dt
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED, JobEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.schedulers.base import BaseScheduler

from service.wall_clock import WallClockTrigger

CATCH_UP_EVERY = dt.timedelta(hours=1)
# What the next night does anyway is not made up for just before it.
SOON = dt.timedelta(hours=2)
CATCH_UP = "catch up"
EVENTS = {EVENT_JOB_ERROR: "failed", EVENT_JOB_MISSED: "missed", EVENT_JOB_MAX_INSTANCES: "skipped"}


@dataclass(frozen=True, slots=True)
class ScheduledStep:
    """A step of the night: its name, when it is due, its work.

    `last_start(now)` is when it was last tried, as far as `now` can tell; None before the first time. Both
    are aware UTC.
    """

    name: str
    trigger: WallClockTrigger
    work: Callable[[], None]
    last_start: Callable[[dt.datetime], dt.datetime | None]


@dataclass(frozen=True, slots=True)
class Timetable:
    """The steps in their order, how late a start may be, and work to be done every so often beside them."""

    steps: Sequence[ScheduledStep]
    misfire_grace: dt.timedelta
    beats: Sequence["Beat"] = ()


@dataclass(frozen=True, slots=True)
class Beat:
    """Quick work that is repeated while the service runs, also during a step."""

    name: str
    every: dt.timedelta
    work: Callable[[], None]


def run_timetable(
    timetable: Timetable,
    *,
    stop: threading.Event,
    clock: Callable[[], dt.datetime],
    report: Callable[[str, str], None],
) -> None:
    """Run the timetable until `stop` is set; a step already at work ends before this returns.

    `report(step, event)` hears of starts that were missed, skipped or failed with a defect.
    """
    # One worker: sync and refresh need the same warehouse, so a refresh due during a long sync waits.
    workers = {"default": ThreadPoolExecutor(1), "beats": ThreadPoolExecutor(1)}
    scheduler = BackgroundScheduler(executors=workers, timezone=dt.UTC)
    schedule(scheduler, timetable, clock=clock, report=report)
    scheduler.start()
    stop.wait()
    scheduler.shutdown(wait=True)


def schedule(
    scheduler: BaseScheduler,
    timetable: Timetable,
    *,
    clock: Callable[[], dt.datetime],
    report: Callable[[str, str], None],
) -> None:
    """Give `scheduler` a job for each step's cron, one that makes up for missed starts, and the beats.

    Every job asks whether its step is due before it starts it.
    """

    def start(step: ScheduledStep) -> None:
        if is_due(step, clock()):
            step.work()

    def make_up() -> None:
        # Asked once: what one step has made up for must not keep the next from its turn.
        if not is_night_soon(timetable, clock()):
            for step in timetable.steps:
                start(step)

    def heard(event: JobEvent) -> None:
        report(event.job_id, EVENTS[event.code])

    once = {"coalesce": True, "max_instances": 1}
    grace = int(timetable.misfire_grace.total_seconds())
    for step in timetable.steps:
        scheduler.add_job(start, step.trigger, [step], id=step.name, misfire_grace_time=grace, **once)
    scheduler.add_job(
        make_up,
        "interval",
        id=CATCH_UP,
        seconds=CATCH_UP_EVERY.total_seconds(),
        next_run_time=clock(),
        misfire_grace_time=None,
        **once,
    )
    for beat in timetable.beats:
        scheduler.add_job(
            beat.work,
            "interval",
            id=beat.name,
            seconds=beat.every.total_seconds(),
            next_run_time=clock(),
            executor="beats",
            misfire_grace_time=None,
            **once,
        )
    scheduler.add_listener(heard, EVENT_JOB_ERROR | EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES)


def is_due(step: ScheduledStep, now: dt.datetime) -> bool:
    """Whether the step's cron named a time since it was last tried; before the first time it always is."""
    last = step.last_start(now)
    return last is None or step.trigger.first_after(last) <= now


def is_night_soon(timetable: Timetable, now: dt.datetime) -> bool:
    """Whether a night that has been before begins so soon that nothing need be made up for."""
    return any(
        step.last_start(now) is not None and step.trigger.first_after(now) - now < SOON
        for step in timetable.steps
    )
