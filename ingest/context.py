"""What the sync of a center works with, and who hears how far it is."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ingest.gate_pool import GatePool
from ingest.resource_types import Step
from mappings.terminology import MappedCode
from warehouse.land import LandCounts


@dataclass(frozen=True, slots=True)
class UnitLanded:
    """One answer has landed: the `number`-th of the `units` planned in this step, after so many seconds."""

    run_id: int
    center_id: str
    resource_type: str
    step: Step
    number: int
    units: int
    counts: LandCounts
    seconds: float


class Progress(Protocol):
    """Who hears how far a sync is; called from the threads that sync the center."""

    def landed(self, event: UnitLanded) -> None:
        """An answer is durable."""


@dataclass(frozen=True, slots=True)
class ReconcileRules:
    """When a center's ids are compared with the warehouse, and how many resources may leave by it.

    `is_forced` does it now for every center; for the centers in `accepted` it is done now and without the
    limit, because an operator said that what would leave is right.
    """

    every: dt.timedelta = dt.timedelta(days=7)
    max_deleted_percent: float = 2.0
    is_forced: bool = False
    accepted: frozenset[str] = frozenset()

    def is_demanded(self, center_id: str) -> bool:
        """Whether the center is compared now, due or not."""
        return self.is_forced or center_id in self.accepted


@dataclass(frozen=True, slots=True)
class SyncContext:
    """What a sync needs besides the center: its run, what codes mean, the clock (aware UTC), an audience.

    `gate` judges what is received. `is_stopping` is asked before each query, and by whoever waits for a
    server: a sync that is to stop ends there, incomplete.
    """

    run_id: int
    code_map: Sequence[MappedCode]
    now: Callable[[], dt.datetime]
    progress: Progress
    is_stopping: Callable[[], bool]
    gate: GatePool
    reconcile: ReconcileRules = ReconcileRules()
