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
    """One answer has landed: the `number`-th of the `units` planned in this step."""

    center_id: str
    resource_type: str
    step: Step
    number: int
    units: int
    counts: LandCounts


class Progress(Protocol):
    """Who hears how far a sync is; called from the threads that sync the center."""

    def landed(self, event: UnitLanded) -> None:
        """An answer is durable."""


@dataclass(frozen=True, slots=True)
class SyncContext:
    """What a sync needs besides the center: its run, what codes mean, the clock (aware UTC), an audience.

    `gate` judges what is received. `is_stopping` is asked before each query: a sync that is to stop ends
    there, incomplete.
    """

    run_id: int
    code_map: Sequence[MappedCode]
    now: Callable[[], dt.datetime]
    progress: Progress
    is_stopping: Callable[[], bool]
    gate: GatePool
