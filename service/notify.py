"""Telling people: the site's own command is run when a step of the night fails, and when it works again.

`[notify] command` gets one JSON object on standard input; mail, chat or a pager is its choice. It holds
messages, counts and reasons: no ids, no content.
"""

import datetime as dt
import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import structlog
from pydantic import TypeAdapter, ValidationError

from mappings.errors import CryocohortError, NothingPublishedError, WarehouseError
from service.settings import Settings
from service.status import center_states, read_status
from service.study import product_version

LONGEST_COMMAND = dt.timedelta(seconds=60)
STATE_FILE = "notified.json"
# Nothing else: a center's token may be in the environment.
PASSED_ON = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "TZ", "USER")

ToldStep = Literal["sync", "refresh", "report"]
Message = Mapping[str, Any]
_STATE = TypeAdapter(dict[str, str])


@contextmanager
def told(
    settings: Settings, step: ToldStep, clock: Callable[[], dt.datetime], is_stopping: Callable[[], bool]
) -> Iterator[None]:
    """Run a step of the night; its failure is told each time, its recovery once. Errors pass through.

    A step that was asked to stop has not failed.
    """
    try:
        yield
    except CryocohortError as error:
        if not is_stopping():
            cause = {"exit_code": error.exit_code, "message": error.message, "next_step": error.next_step}
            _tell_failure(settings, step, clock(), cause)
        raise
    except Exception as error:
        # The text of any other exception may quote content, so its class alone is told.
        defect = {
            "exit_code": 1,
            "message": f"A defect: {type(error).__name__}.",
            "next_step": "see the log.",
        }
        _tell_failure(settings, step, clock(), defect)
        raise
    else:
        _tell_recovery(settings, step, clock())


def _tell_failure(settings: Settings, step: ToldStep, now: dt.datetime, cause: Message) -> None:
    failing = _failing(settings)
    since = failing.setdefault(step, now.isoformat())
    # Told first: what fails may be the disk that the state is kept on.
    _run(settings, {**_summary(settings, "failure", step, now), "failing_since": since, **cause})
    _keep(settings, failing)


def _tell_recovery(settings: Settings, step: ToldStep, now: dt.datetime) -> None:
    failing = _failing(settings)
    if step not in failing:
        return
    message = {**_summary(settings, "recovery", step, now), "failing_since": failing[step]}
    # Forgotten only when it was told: a chat that is down hears of it the next night.
    if _run(settings, message):
        _keep(settings, {name: since for name, since in failing.items() if name != step})


def _summary(
    settings: Settings, event: Literal["failure", "recovery"], step: ToldStep, now: dt.datetime
) -> Message:
    return {
        "event": event,
        "step": step,
        "at": now.isoformat(),
        "study": settings.file.study.name,
        "version": product_version(),
        "centers": _centers(settings),
    }


def _centers(settings: Settings) -> list[dict[str, Any]]:
    try:
        return center_states(read_status(settings.warehouse_folder))
    except (NothingPublishedError, WarehouseError):  # no run yet, or another version's file
        return []


def _run(settings: Settings, message: Message) -> bool:
    """Run the configured command; whether it ended well. Its own failure is logged, and fails no night."""
    command = settings.file.notify.command
    if not command:
        return True
    log = structlog.get_logger()
    try:
        ended = subprocess.run(  # noqa: S603 -- the operator's own command, without a shell
            command,
            input=json.dumps(message).encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={name: os.environ[name] for name in PASSED_ON if name in os.environ},
            cwd=settings.folder,
            timeout=LONGEST_COMMAND.total_seconds(),
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        log.error("notification failed", command=command[0], reason=type(error).__name__)  # noqa: TRY400
        return False
    if ended.returncode:
        log.error("notification failed", command=command[0], reason=f"exit {ended.returncode}")
    return ended.returncode == 0


def _failing(settings: Settings) -> dict[str, str]:
    """The steps whose failure was told, each with when it began (ISO 8601)."""
    path = _state_path(settings)
    try:
        return _STATE.validate_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError) as error:
        structlog.get_logger().warning("notification state unreadable", reason=type(error).__name__)
        return {}


def _keep(settings: Settings, failing: Mapping[str, str]) -> None:
    """Keep what was told; a full disk is logged: it has failed the night already."""
    path = _state_path(settings)
    aside = path.with_suffix(".new")
    try:
        aside.touch(mode=0o600)
        aside.write_bytes(_STATE.dump_json(dict(failing)))
        aside.replace(path)
    except OSError as error:
        structlog.get_logger().warning("notification state not kept", reason=error.strerror)


def _state_path(settings: Settings) -> Path:
    return settings.warehouse_folder / STATE_FILE
