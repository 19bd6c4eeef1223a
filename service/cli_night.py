"""What the commands that run a part of a night share: the clock, the signals that stop it, who watches."""
# ruff: noqa: PLC0415 -- a command imports what it needs, so that --help is fast

import datetime as dt
import signal
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


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set, so that a run ends between two units of work."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
