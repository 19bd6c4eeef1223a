"""Logs: structlog to standard error, JSON lines for machines, plain lines on a terminal.

Events carry run, center, resource type, counts and durations: never resource content, ids of patients,
queries or secrets.
"""

import logging
import sys

import structlog


def configure_logging(*, as_json: bool) -> None:
    """Send every event to standard error, one line each; libraries speak up from WARNING on."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    # urllib3 writes whole URLs at DEBUG and the retry's path at WARNING; a path may hold a patient's id.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    renderer = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
