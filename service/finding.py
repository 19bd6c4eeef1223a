"""What a check finds: one line of its table. Counts, systems and element paths only; no ids, no values."""

from dataclasses import dataclass
from typing import Literal

from mappings.errors import CryocohortError

State = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: `center` is empty for what all centers share, `exit_code` 0 unless it failed."""

    center: str
    subject: str
    state: State
    seen: str
    next_step: str = ""
    exit_code: int = 0


def ok(center: str, subject: str, seen: str) -> Finding:
    """It is as it should be."""
    return Finding(center, subject, "ok", seen)


def warning(center: str, subject: str, seen: str, next_step: str) -> Finding:
    """A night works, but somebody should look at it."""
    return Finding(center, subject, "warning", seen, next_step)


def failed(center: str, subject: str, error: CryocohortError) -> Finding:
    """A night does not work; the error tells why, what to do and the exit code."""
    return Finding(center, subject, "failed", error.message, error.next_step, error.exit_code)


def skipped(center: str, subject: str, why: str) -> Finding:
    """It could not be looked at, or there is nothing to look at."""
    return Finding(center, subject, "skipped", why)
