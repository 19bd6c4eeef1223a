"""Logs: structlog to standard error, JSON lines for machines, plain lines on a terminal.

Events carry run, center, resource type, counts and durations: never resource content, ids of patients,
queries or secrets.
"""

import logging
import sys
from collections.abc import Mapping

import structlog

from service.verbosity import CHOSEN, Verbosity

# Every event by its name: what it means, and what to do about it where something is to be done.
EVENTS: Mapping[str, str] = {
    "run started": "A run has its number; the warehouse is held by it.",
    "run ended": "The run is closed in the ledger; `status` is that of `ops.run`, `message` what ended it.",
    "step ended": "A step of the run is over, well or not; `made` counts as in `ops.run_step`.",
    "landed": "An answer of a center is durable: the unit of those planned in this step, and its counts.",
    "built": "A table was built or changed, and why (with `--verbose`).",
    "checked": "A quality check found something, or could not run (with `--verbose`).",
    "scheduled": "The service has started; when the step begins next.",
    "started": "The service begins a step.",
    "complete": "The step has ended well.",
    "failed": "The step has ended otherwise: exit code of the cause, message and next step.",
    "missed": "A start was missed by more than `schedule.misfire_grace_hours`; the next one comes by itself.",
    "skipped": "A start came while the same step was still at work; nothing is lost.",
    "interrupted": "The step was asked to stop and ended between two units; the next goes on there.",
    "notification failed": "The notification command could not be run, or did not end with exit code 0.",
    "notification state unreadable": "Which failures were told before is not known: they are told again.",
    "notification state not kept": "Which failures were told cannot be written: they may be told again.",
    "status page": "The status page is there, at `url`.",
    "status unreadable": "The status file cannot be read; `message` and `next` say why and what to do.",
    "stopped": "The service has ended as it was asked to.",
}


def configure_logging(*, as_json: bool, chosen: Verbosity = CHOSEN) -> None:
    """Send every event to standard error, one line each; libraries speak up from WARNING on."""
    library_level = logging.INFO if chosen.is_verbose else logging.WARNING
    logging.basicConfig(level=library_level, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    # urllib3 writes whole URLs at DEBUG and the retry's path at WARNING; a path may hold a patient's id.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    is_json = as_json or chosen.is_json
    renderer = structlog.processors.JSONRenderer() if is_json else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(chosen.level),
        # Asked each time: while bars are shown, standard error is theirs, and lines go above them.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
