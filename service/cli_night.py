"""What the commands that run a part of a night share: the clock and who watches."""
# ruff: noqa: PLC0415 -- a command imports what it needs, so that --help is fast

import datetime as dt
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingest.context import Progress
    from service.run import Night
    from service.settings import Settings


def night(settings: "Settings", progress: "Progress", stop: threading.Event) -> "Night":
    """A night by the clock of this machine that ends when `stop` is set."""
    from service.run import Night

    return Night(settings, now, progress, stop.is_set)


def now() -> dt.datetime:
    """The time, aware UTC."""
    return dt.datetime.now(dt.UTC)
