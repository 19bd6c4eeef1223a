"""A night in a process of its own, to be killed: the service's own, on the configuration in a folder.

Processes are forked from a server that has imported everything, so a night starts in milliseconds. With
`workers` the gate judges in worker processes from the first resource on, as it does on a large first night;
that process is a fresh interpreter, because workers belong to the process that started them.
"""

import datetime as dt
import functools
import multiprocessing
import subprocess
import sys
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
import structlog
from structlog.typing import EventDict

import service.sync
from ingest.gate_pool import GatePool
from service.centers import ReconcileDemand
from service.configuration import load_settings
from service.refresh import refresh_night
from service.run import Night
from service.sync import sync_night
from tests.properties.failing_database import StatementKiller
from tests.properties.model_study import Silent

PROJECT = Path(__file__).parents[2]
_CONTEXT = multiprocessing.get_context("forkserver")


def start_night(config: Path, now: dt.datetime) -> ForkServerProcess:
    """A process that runs one night; it ends with 0 when the night was complete."""
    _CONTEXT.set_forkserver_preload([__name__])
    process = _CONTEXT.Process(target=run_night, args=(str(config), now.isoformat()))
    process.start()
    return process


def start_refresh(config: Path, now: dt.datetime, log: Path, kill_at: int, delay: float) -> ForkServerProcess:
    """A process that refreshes and logs into a file; see `run_refresh`."""
    _CONTEXT.set_forkserver_preload([__name__])
    arguments = (str(config), now.isoformat(), str(log), kill_at, delay)
    process = _CONTEXT.Process(target=run_refresh, args=arguments)
    process.start()
    return process


def start_night_with_workers(config: Path, now: dt.datetime) -> "subprocess.Popen[bytes]":
    """The same in a fresh interpreter, with worker processes from the first resource on."""
    command = [sys.executable, "-m", __name__, str(config), now.isoformat()]
    return subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def run_night(config: str, now: str, *, has_workers: bool = False) -> None:
    """Run one night that also looks for deletions."""
    settings = load_settings(Path(config))
    accepted = frozenset(center.center_id for center in settings.centers)
    service.sync.GatePool = functools.partial(GatePool, in_place=0 if has_workers else 10**9)
    night = Night(settings, lambda: dt.datetime.fromisoformat(now), Silent(), lambda: False)
    sync_night(night, ReconcileDemand(is_forced=True, accepted=accepted))


def run_refresh(config: str, now: str, log: str, kill_at: int, delay: float) -> None:
    """Refresh; be killed `delay` seconds after the statement `kill_at` (0 for never) has begun.

    What is logged goes into the file `log` as JSON lines, each at once, with the count of statements so far.
    """
    killer = StatementKiller(kill_at, delay)

    def counted(_logger: object, _method: str, event: EventDict) -> EventDict:
        return {**event, "statements": killer.seen}

    with Path(log).open("w", encoding="utf-8") as told, pytest.MonkeyPatch.context() as patch:
        killer.install(patch)
        structlog.configure(
            processors=[counted, structlog.processors.JSONRenderer()],
            logger_factory=structlog.WriteLoggerFactory(told),  # it flushes each line
        )
        refresh_night(
            Night(
                load_settings(Path(config)), lambda: dt.datetime.fromisoformat(now), Silent(), lambda: False
            )
        )


if __name__ == "__main__":
    run_night(sys.argv[1], sys.argv[2], has_workers=True)
