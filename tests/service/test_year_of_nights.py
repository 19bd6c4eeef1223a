"""A year of nights by a fake clock, on the real scheduler: one success a local date, whatever clocks do."""

import datetime as dt
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from apscheduler.executors.debug import DebugExecutor
from apscheduler.schedulers.base import BaseScheduler

from service.scheduler import ScheduledStep, Timetable, schedule
from service.serve import last_start
from service.status import STEPS, Status, Step
from service.wall_clock import WallClockTrigger
from warehouse.health import LastRelease
from warehouse.runs import Run

CRONS: dict[Step, str] = {"sync": "30 2 * * *", "refresh": "45 4 * * *"}
DURATION = {"sync": dt.timedelta(minutes=50), "refresh": dt.timedelta(minutes=10)}
BEGAN = dt.datetime(2025, 12, 31, 12, tzinfo=dt.UTC)
END = dt.datetime(2027, 1, 1, 12, tzinfo=dt.UTC)


class DrivenScheduler(BaseScheduler):
    """APScheduler without its thread: it looks for due jobs when it is told to, by the fake clock."""

    def wakeup(self) -> None:
        """Nobody sleeps."""

    def shutdown(self, wait: bool = True) -> None:
        super().shutdown(wait)


@dataclass
class Machine:
    """A machine whose clock a test moves, with the ledger of what its service ran."""

    zone: str
    clock: Any
    runs: list[Run] = field(default_factory=list)
    chance: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311 -- no secret

    def now(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC)

    def status(self) -> Status:
        complete = {step: next((r for r in reversed(self.runs) if r.kind == step), None) for step in STEPS}
        newest = tuple(reversed(self.runs[-10:]))
        release = LastRelease(1, 10**6, BEGAN)
        return Status(newest, dict(complete), complete, (), (), (), release)

    def work(self, step: Step) -> None:
        # A start is never on the dot, and not always equally late.
        self.clock.shift(dt.timedelta(milliseconds=self.chance.randrange(1, 900)))
        started = self.now()
        self.clock.shift(DURATION[step])
        self.runs.append(
            Run(len(self.runs) + 1, step, started, self.now(), "complete", "0.1.0", "f" * 64, "")
        )

    def service(self) -> BaseScheduler:
        began = self.now()

        def scheduled(step: Step) -> ScheduledStep:
            trigger = WallClockTrigger(CRONS[step], self.zone)
            return ScheduledStep(
                step,
                trigger,
                lambda: self.work(step),
                lambda now: last_start(self.status(), step, now, began),
            )

        scheduler = DrivenScheduler(
            executors={"default": DebugExecutor(), "beats": DebugExecutor()}, timezone=dt.UTC
        )
        timetable = Timetable([scheduled(step) for step in STEPS], dt.timedelta(hours=12))
        schedule(scheduler, timetable, clock=self.now, report=lambda *_: None)
        scheduler.start()
        return scheduler

    def live(self, until: dt.datetime, *, jumps: dict[dt.date, tuple[int, dt.timedelta]]) -> None:
        """Run the service; at the local hour of each date in `jumps` the clock jumps by that much."""
        scheduler, left = self.service(), dict(jumps)
        while self.now() < until:
            wait = scheduler._process_jobs()
            local = self.now().astimezone(ZoneInfo(self.zone))
            jump = left.get(local.date())
            if jump and local.hour >= jump[0]:
                del left[local.date()]
                self.clock.shift(jump[1])
            else:
                self.clock.shift(max(wait, 1.0))
        scheduler.shutdown()

    def dates(self, step: Step) -> Counter[dt.date]:
        zone = ZoneInfo(self.zone)
        return Counter(run.started_at.astimezone(zone).date() for run in self.runs if run.kind == step)


@pytest.fixture(params=["UTC", "Europe/Berlin", "America/New_York", "Australia/Sydney"])
def machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    with time_machine.travel(BEGAN, tick=False) as clock:
        yield Machine(request.param, clock)


def days_of_the_year() -> list[dt.date]:
    return [dt.date(2026, 1, 1) + dt.timedelta(days=number) for number in range(365)]


def one_a_date(machine: Machine) -> None:
    for step in STEPS:
        counted = machine.dates(step)
        assert {day: counted[day] for day in days_of_the_year() if counted[day] != 1} == {}


@pytest.mark.row(77)
def test_a_year_of_sleeps_of_26_hours_and_clocks_that_jump(machine: Machine) -> None:
    hour, sleep = dt.timedelta(hours=1), dt.timedelta(hours=26)
    jumps = {
        dt.date(2026, 1, 20): (12, sleep),
        dt.date(2026, 3, 28): (12, sleep),
        dt.date(2026, 4, 15): (6, -3 * hour),
        dt.date(2026, 6, 10): (23, 5 * hour),
        dt.date(2026, 8, 3): (12, -sleep),
        dt.date(2026, 10, 24): (12, sleep),
        dt.date(2026, 11, 1): (1, -hour),
        dt.date(2026, 12, 24): (12, sleep),
    }
    machine.live(END, jumps=jumps)
    one_a_date(machine)


@pytest.mark.row(76)
def test_a_night_slept_through_is_made_up_for_once(machine: Machine) -> None:
    machine.live(BEGAN + dt.timedelta(days=6), jumps={dt.date(2026, 1, 3): (0, dt.timedelta(hours=26))})
    assert machine.dates("sync")[dt.date(2026, 1, 3)] == 0
    assert machine.dates("sync")[dt.date(2026, 1, 4)] == 1


@pytest.mark.row(77)
def test_a_run_begun_by_a_clock_a_year_ahead_does_not_stop_the_nights(machine: Machine) -> None:
    year = dt.timedelta(days=365)
    machine.live(BEGAN + dt.timedelta(days=3), jumps={dt.date(2026, 1, 2): (12, year)})
    machine.clock.move_to(BEGAN + dt.timedelta(days=3))
    machine.live(BEGAN + dt.timedelta(days=8), jumps={})
    counted = machine.dates("sync")
    assert [counted[dt.date(2026, 1, day)] for day in (4, 5, 6, 7)] == [1, 1, 1, 1]
