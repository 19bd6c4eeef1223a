"""The scheduler: what is due, what runs, and that it stops cleanly; DST nights by a year of fake clock."""

import datetime as dt
import threading

import pytest

from mappings.errors import ConfigError
from service.scheduler import ScheduledStep, Timetable, cron_trigger, next_start, run_timetable

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)


def step(work: object = None, *, cron: str = "15 1 * * *", last: dt.datetime | None = None) -> ScheduledStep:
    return ScheduledStep("sync", cron, work or (lambda: None), last)  # type: ignore[arg-type]


def test_a_first_start_is_due_at_once() -> None:
    assert next_start(step(), "UTC", NOW) == NOW


def test_a_missed_night_is_due_at_once() -> None:
    assert next_start(step(last=NOW - dt.timedelta(days=2)), "UTC", NOW) == NOW


def test_after_a_good_night_the_next_cron_is_due() -> None:
    last = dt.datetime(2026, 11, 23, 1, 30, tzinfo=dt.UTC)
    assert next_start(step(last=last), "UTC", NOW) == dt.datetime(2026, 11, 24, 1, 15, tzinfo=dt.UTC)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Paris", "America/New_York", "Australia/Sydney"])
def test_an_early_morning_cron_starts_once_on_every_day_of_a_year_of_any_zone(zone: str) -> None:
    trigger = cron_trigger("15 4 * * *", zone)
    moment, starts = dt.datetime(2025, 12, 30, tzinfo=dt.UTC), []
    while moment.year <= 2026:
        moment = trigger.get_next_fire_time(None, moment + dt.timedelta(seconds=1))
        starts.append(moment.date())
    days = [day for day in starts if day.year == 2026]
    assert len(days) == len(set(days)) == 365


def test_a_cron_that_is_not_one_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="not understood"):
        cron_trigger("99 1 * * *", "UTC")


def test_a_due_step_runs_and_a_stop_lets_it_end() -> None:
    stop, started, release = threading.Event(), threading.Event(), threading.Event()
    ended: list[str] = []

    def work() -> None:
        started.set()
        release.wait(10)
        ended.append("sync")

    now = dt.datetime.now(dt.UTC)
    timetable = Timetable([step(work)], "UTC", dt.timedelta(hours=1))
    service = threading.Thread(
        target=run_timetable, args=(timetable,), kwargs={"stop": stop, "now": now, "report": lambda *_: None}
    )
    service.start()
    assert started.wait(10)
    stop.set()
    release.set()
    service.join(10)
    assert not service.is_alive()
    assert ended == ["sync"]


def test_a_defect_in_a_step_is_reported_and_the_service_goes_on() -> None:
    stop, heard = threading.Event(), []

    def work() -> None:
        raise RuntimeError("a defect")

    def report(name: str, event: str) -> None:
        heard.append((name, event))
        stop.set()

    timetable = Timetable([step(work)], "UTC", dt.timedelta(hours=1))
    run_timetable(timetable, stop=stop, now=dt.datetime.now(dt.UTC), report=report)
    assert heard == [("sync", "failed")]
