"""The steps of a run: each is timed and counted, told in the log as it ends, and kept for the ledger."""

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from warehouse.runs import RunStep, StepName


@dataclass(slots=True)
class StepUnderWay:
    """A step that has begun; `made` is set once what it makes is there."""

    made: int | None = None


@dataclass(frozen=True, slots=True)
class StepClock:
    """Times the steps of one run by `clock` (aware UTC); `ended` holds those that are over, in order."""

    run_id: int
    clock: Callable[[], dt.datetime]
    ended: list[RunStep] = field(default_factory=list)

    @contextmanager
    def step(self, name: StepName) -> Iterator[StepUnderWay]:
        """Time the block as a step, also when it raises; nothing is written to the warehouse."""
        under_way, began = StepUnderWay(), self.clock()
        try:
            yield under_way
        finally:
            over = RunStep(name, began, self.clock(), under_way.made)
            self.ended.append(over)
            structlog.get_logger().info(
                "step ended",
                run_id=self.run_id,
                step=name,
                made=over.made,
                seconds=round((over.finished_at - over.started_at).total_seconds(), 3),
            )
