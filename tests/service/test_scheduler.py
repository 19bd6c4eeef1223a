"""The timetable: what is due runs once, in its order, and a stop lets the step at work end."""

import datetime as dt
import threading
from collections.abc import Callable

import pytest

from service.scheduler import Beat, ScheduledStep, Timetable, is_due, run_timetable
from service.wall_clock import WallClockTrigger

NIGHTLY = WallClockTrigger("15 1 * * *", "UTC")
NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
GRACE = dt.timedelta(hours=1)


def step(
    work: Callable[[], None] = lambda: None, last: dt.datetime | None = None, name: str = "sync"
) -> ScheduledStep:
    return ScheduledStep(name, NIGHTLY, work, lambda _: last)


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def unheard(step: str, event: str) -> None:
    raise AssertionError(f"{step} {event}")


def test_a_first_start_is_due_at_once() -> None:
    assert is_due(step(), NOW)


@pytest.mark.row(76)
def test_a_missed_night_is_due_at_once() -> None:
    assert is_due(step(last=NOW - dt.timedelta(days=2)), NOW)


def test_after_this_night_nothing_is_due_until_the_next() -> None:
    tonight = step(last=dt.datetime(2026, 11, 23, 1, 15, tzinfo=dt.UTC))
    assert not is_due(tonight, NOW)
    assert is_due(tonight, dt.datetime(2026, 11, 24, 1, 15, tzinfo=dt.UTC))


def test_a_due_step_runs_and_a_stop_lets_it_end() -> None:
    stop, started, release = threading.Event(), threading.Event(), threading.Event()
    ended: list[str] = []

    def work() -> None:
        started.set()
        release.wait(10)
        ended.append("sync")

    timetable = Timetable([step(work)], GRACE)
    service = threading.Thread(
        target=run_timetable, args=(timetable,), kwargs={"stop": stop, "clock": now, "report": unheard}
    )
    service.start()
    assert started.wait(10)
    stop.set()
    release.set()
    service.join(10)
    assert not service.is_alive()
    assert ended == ["sync"]


def test_steps_that_are_due_together_run_in_their_order() -> None:
    stop, ran = threading.Event(), []

    def refreshed() -> None:
        ran.append("refresh")
        stop.set()

    steps = [step(lambda: ran.append("sync")), step(refreshed, name="refresh")]
    run_timetable(Timetable(steps, GRACE), stop=stop, clock=now, report=unheard)
    assert ran == ["sync", "refresh"]


def test_steps_are_made_up_for_together_also_shortly_before_the_next_night() -> None:
    stop, ran = threading.Event(), []
    soon = now() + dt.timedelta(hours=1)
    nightly = WallClockTrigger(f"{soon.minute} {soon.hour} * * *", "UTC")

    def refreshed() -> None:
        ran.append("refresh")
        stop.set()

    def last(name: str) -> dt.datetime | None:
        return now() if name in ran else None

    steps = [
        ScheduledStep("sync", nightly, lambda: ran.append("sync"), lambda _: last("sync")),
        ScheduledStep("refresh", nightly, refreshed, lambda _: last("refresh")),
    ]
    run_timetable(Timetable(steps, GRACE), stop=stop, clock=now, report=unheard)
    assert ran == ["sync", "refresh"]


def test_a_beat_is_heard_while_a_step_is_at_work() -> None:
    stop, heard = threading.Event(), threading.Semaphore(0)

    def work() -> None:
        for _ in range(3):
            assert heard.acquire(timeout=10)
        stop.set()

    beat = Beat("watchdog", dt.timedelta(milliseconds=20), heard.release)
    run_timetable(Timetable([step(work)], GRACE, [beat]), stop=stop, clock=now, report=unheard)


def test_a_defect_in_a_step_is_reported_and_the_service_goes_on() -> None:
    stop, heard = threading.Event(), []

    def work() -> None:
        raise RuntimeError("a defect")

    def report(name: str, event: str) -> None:
        heard.append((name, event))
        stop.set()

    run_timetable(Timetable([step(work)], GRACE), stop=stop, clock=now, report=report)
    assert heard == [("catch up", "failed")]
