"""How a center's sync goes, counted by all its threads, and the report made of it."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from mappings.errors import CryocohortError
from warehouse.dating import Undated
from warehouse.land import LandCounts


@dataclass(frozen=True, slots=True)
class CenterReport:
    """How a center's sync ended: complete, or incomplete with reasons fit to show.

    `counts` are by resource type, `departed` how many of a type left the warehouse; `remarks` are what an
    operator should know although it is no failure; `error` is the first failure of the center or of one of
    its types.
    """

    center_id: str
    status: Literal["complete", "incomplete"]
    counts: Mapping[str, LandCounts]
    warnings: int
    reasons: tuple[str, ...]
    remarks: tuple[str, ...]
    error: CryocohortError | None
    departed: Mapping[str, int] = field(default_factory=dict)


class Tally:
    """What one center's sync has counted so far; safe for several threads."""

    def __init__(self, center_id: str) -> None:
        self._center_id = center_id
        self._lock = threading.Lock()
        self._counts: dict[str, LandCounts] = {}
        self._departed: dict[str, int] = {}
        self._warnings = 0
        self._reasons: dict[str, None] = {}
        self._remarks: dict[str, None] = {}
        self._failed_types: set[str] = set()
        self._error: CryocohortError | None = None

    def add(self, resource_type: str, counts: LandCounts, warnings: int) -> None:
        """A unit has landed."""
        with self._lock:
            self._counts[resource_type] = self._counts.get(resource_type, LandCounts(0, 0, 0, 0)) + counts
            self._warnings += warnings

    def depart(self, resource_type: str, resources: int) -> None:
        """Resources of the type have left the warehouse."""
        with self._lock:
            if resources:
                self._departed[resource_type] = self._departed.get(resource_type, 0) + resources

    def is_complete(self) -> bool:
        """Whether nothing is missing so far."""
        with self._lock:
            return not self._reasons

    def lack(self, reason: str) -> None:
        """Something is missing from what was read; the same reason counts once."""
        with self._lock:
            self._reasons[reason] = None

    def remark(self, text: str) -> None:
        """Something that an operator should know although nothing is missing."""
        with self._lock:
            self._remarks[text] = None

    def distrust(self, resource_type: str, why: Undated) -> None:
        """The dates of change of a type tell nothing, so it is read in full; a warning, once a sync."""
        dates = "no date of change" if why == "missing" else "the same date of change on every resource"
        text = (
            f"Center {self._center_id}: {resource_type} comes with {dates} (meta.lastUpdated), so all of it "
            "is read every time."
        )
        with self._lock:
            self._warnings += text not in self._remarks
            self._remarks[text] = None

    def fail(self, error: CryocohortError, resource_type: str | None = None) -> None:
        """A resource type, or without one the whole center, cannot be read further."""
        with self._lock:
            self._reasons[error.message] = None
            self._error = self._error or error
            if resource_type is not None:
                self._failed_types.add(resource_type)

    def has_failed(self, resource_type: str) -> bool:
        """Whether the type cannot be read further in this sync."""
        with self._lock:
            return resource_type in self._failed_types

    def report(self, remarks: tuple[str, ...]) -> CenterReport:
        """How it ended; the remarks are the client's, and come before the sync's own."""
        with self._lock:
            return CenterReport(
                center_id=self._center_id,
                status="incomplete" if self._reasons else "complete",
                counts=dict(self._counts),
                warnings=self._warnings,
                reasons=tuple(self._reasons),
                remarks=(*remarks, *self._remarks),
                error=self._error,
                departed=dict(self._departed),
            )
