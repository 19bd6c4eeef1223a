"""When a cron comes due on a zone's wall clock, once for each time it names, also when clocks change.

APScheduler's own cron trigger skips a night whose hour does not exist (clocks go forward) and starts twice in
a night whose hour comes twice (clocks go back).
"""

import datetime as dt
from zoneinfo import ZoneInfo

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger

from mappings.errors import ConfigError

# No zone moves its clocks by more than this at once.
LONGEST_SHIFT = dt.timedelta(hours=3)


class WallClockTrigger(BaseTrigger):  # type: ignore[misc]
    """A five-field cron in an IANA zone.

    A time that clocks skip comes due when they have moved on by as much; a time that comes twice, the first
    time only. Raises ConfigError for a cron that is not one, or never comes due.
    """

    def __init__(self, cron: str, timezone: str) -> None:
        self.cron = cron
        self._zone = ZoneInfo(timezone)
        try:
            self._times = CronTrigger.from_crontab(cron, timezone=dt.UTC)
        except ValueError as error:
            raise ConfigError(
                f"The cron {cron!r} is not understood ({error}).",
                "write minute, hour, day, month and weekday, for example `15 1 * * *`.",
            ) from None

    def first_after(self, moment: dt.datetime) -> dt.datetime:
        """The first start after an instant (aware); aware UTC."""
        wall = moment.astimezone(self._zone).replace(tzinfo=dt.UTC) - LONGEST_SHIFT
        start = self._next(wall)
        while start[1] <= moment:
            start = self._next(start[0])
        return start[1]

    def get_next_fire_time(self, previous_fire_time: dt.datetime | None, now: dt.datetime) -> dt.datetime:
        """What APScheduler asks: the start after the last one, or the first that is not before now."""
        return self.first_after(previous_fire_time or now - dt.timedelta(microseconds=1))

    def _next(self, wall: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
        """The next time after `wall` that the cron names: as the wall clock shows it, and as an instant."""
        named = self._times.get_next_fire_time(None, wall + dt.timedelta(microseconds=1))
        if named is None:
            raise ConfigError(f"The cron {self.cron!r} never comes due.", "mend its day and month.")
        # fold=0: of a time that comes twice the first; of one that is skipped, as far behind the change.
        return named, named.replace(tzinfo=self._zone, fold=0).astimezone(dt.UTC)
