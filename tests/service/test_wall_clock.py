"""When a cron comes due in a zone: nights on which clocks change, and a year of each zone."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.errors import ConfigError
from service.wall_clock import WallClockTrigger

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Sydney", "Australia/Lord_Howe")


def starts(cron: str, zone: str, first: dt.datetime, last: dt.datetime) -> list[dt.datetime]:
    trigger, moment, found = WallClockTrigger(cron, zone), first, []
    while (moment := trigger.first_after(moment)) < last:
        found.append(moment)
    return found


def utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[misc, arg-type]


@pytest.mark.row(75)
def test_a_time_that_clocks_skip_comes_when_they_have_moved_on() -> None:
    night = starts("30 2 * * *", "Europe/Berlin", utc(2026, 3, 28, 12), utc(2026, 3, 29, 12))
    assert night == [utc(2026, 3, 29, 1, 30)]  # 03:30 summer time


@pytest.mark.row(75)
def test_a_time_that_comes_twice_counts_once() -> None:
    night = starts("30 1 * * *", "America/New_York", utc(2026, 10, 31, 12), utc(2026, 11, 1, 12))
    assert night == [utc(2026, 11, 1, 5, 30)]


@pytest.mark.row(75)
@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("hour", [0, 1, 2, 3, 4, 23])
def test_every_day_of_a_year_has_one_start(zone: str, hour: int) -> None:
    tz = ZoneInfo(zone)
    found = starts(f"30 {hour} * * *", zone, utc(2025, 12, 30), utc(2027, 1, 2))
    days = [start.astimezone(tz).date() for start in found]
    wanted = [dt.date(2026, 1, 1) + dt.timedelta(days=number) for number in range(365)]
    assert [day for day in days if day.year == 2026] == wanted


@given(
    st.sampled_from(ZONES),
    st.sampled_from(["30 2 * * *", "*/20 * * * *", "0 3 * * mon-fri", "15 1 1 * *"]),
    st.integers(0, 5 * 365 * 24 * 3600),
)
def test_a_start_is_after_the_moment_and_the_one_before_is_not(zone: str, cron: str, seconds: int) -> None:
    trigger, moment = WallClockTrigger(cron, zone), utc(2025, 1, 1) + dt.timedelta(seconds=seconds)
    start = trigger.first_after(moment)
    assert start > moment
    assert trigger.first_after(start - dt.timedelta(microseconds=1)) == start


@pytest.mark.parametrize("cron", ["99 1 * * *", "1 2 3", "0 0 30 2 *"])
def test_a_cron_that_is_none_or_never_comes_is_a_configuration_error(cron: str) -> None:
    with pytest.raises(ConfigError, match=r"not understood|never comes due"):
        WallClockTrigger(cron, "UTC").first_after(utc(2026, 1, 1))
