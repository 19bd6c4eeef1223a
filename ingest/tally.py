"""How a center's sync goes, counted by all its threads, and the report made of it."""

import datetime as dt
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ingest.traffic import Traffic
from mappings.errors import CryocohortError
from warehouse.dating import Undated
from warehouse.land import LandCounts
from warehouse.type_sync import TypeSync


@dataclass(frozen=True, slots=True)
class Effort:
    """Queries asked of one type, and the seconds from each to its landing, added up."""

    asked: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class CenterReport:
    """How a center's sync ended: complete, or incomplete with reasons fit to show.

    `counts` are by resource type, `departed` how many of a type left the warehouse, `efforts` and `traffic`
    what it took; `remarks` are what an operator should know although it is no failure; `error` is the first
    failure of the center or of one of its types.
    """

    center_id: str
    status: Literal["complete", "incomplete"]
    counts: Mapping[str, LandCounts]
    warnings: int
    reasons: tuple[str, ...]
    remarks: tuple[str, ...]
    error: CryocohortError | None
    departed: Mapping[str, int] = field(default_factory=dict)
    efforts: Mapping[str, Effort] = field(default_factory=dict)
    traffic: Mapping[str, Traffic] = field(default_factory=dict)

    def account(self, run_id: int) -> list[TypeSync]:
        """The report in numbers, one row a resource type, in their order; for the ledger."""
        names = sorted({*self.counts, *self.departed, *self.efforts, *self.traffic})
        return [self._account(run_id, name) for name in names]

    def _account(self, run_id: int, name: str) -> TypeSync:
        counts = self.counts.get(name, LandCounts(0, 0, 0, 0))
        effort, traffic = self.efforts.get(name, Effort()), self.traffic.get(name, Traffic())
        return TypeSync(
            run_id=run_id,
            center_id=self.center_id,
            resource_type=name,
            asked=effort.asked,
            received=counts.received,
            new=counts.new,
            changed=counts.landed - counts.new,
            unchanged=counts.unchanged,
            deleted=self.departed.get(name, 0),
            quarantined=counts.quarantined,
            seconds=round(effort.seconds, 3),
            requests=traffic.requests,
            bytes=traffic.bytes,
        )


class Tally:
    """What one center's sync has counted so far; safe for several threads."""

    def __init__(self, center_id: str) -> None:
        self._center_id = center_id
        self._lock = threading.Lock()
        self._counts: dict[str, LandCounts] = {}
        self._departed: dict[str, int] = {}
        self._efforts: dict[str, Effort] = {}
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

    def spend(self, resource_type: str, took: dt.timedelta) -> None:
        """A query was asked and what came of it has landed, whether whole or not."""
        with self._lock:
            known = self._efforts.get(resource_type, Effort())
            seconds = known.seconds + max(0.0, took.total_seconds())
            self._efforts[resource_type] = Effort(known.asked + 1, seconds)

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

    def report(self, remarks: tuple[str, ...], traffic: Mapping[str, Traffic]) -> CenterReport:
        """How it ended; remarks and traffic are the client's, and its remarks come before the sync's own."""
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
                efforts=dict(self._efforts),
                traffic=traffic,
            )
