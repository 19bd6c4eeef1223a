"""The story of one center's sync.

The cohort's procedures are read first, then, per batch of patients, everything else. Each query lands as
one unit in one transaction: resources, quarantine, cohort members and the watermark together. What an
incomplete answer brought is kept, but moves no watermark, so the next sync asks for it again.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from ingest.accept import Accepted, accept
from ingest.center import Center
from ingest.client import FhirClient
from ingest.plan import Ask, Task, asks, cohort_task, member_codings, patient_tasks
from ingest.query import codings, patient_of
from ingest.resource_types import Step
from ingest.search import Page, walk
from mappings.errors import CryocohortError, IncompleteError, ServerError, SignInError
from mappings.terminology import MappedCode
from warehouse.connection import Warehouse
from warehouse.land import Covered, LandCounts, Unit, coverage, land, members


@dataclass(frozen=True, slots=True)
class UnitLanded:
    """One unit has landed: the `number`-th of the `units` planned in this step."""

    center_id: str
    resource_type: str
    step: Step
    number: int
    units: int
    counts: LandCounts


class Progress(Protocol):
    """Who hears how far a sync is; called from the thread that syncs the center."""

    def landed(self, event: UnitLanded) -> None:
        """A unit is durable."""


@dataclass(frozen=True, slots=True)
class SyncContext:
    """What a sync needs besides the center: its run, what codes mean, the clock (aware UTC), an audience.

    `is_stopping` is asked before each unit: a sync that is to stop ends there, incomplete.
    """

    run_id: int
    code_map: Sequence[MappedCode]
    now: Callable[[], dt.datetime]
    progress: Progress
    is_stopping: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class CenterReport:
    """How a center's sync ended: complete, or incomplete with reasons fit to show.

    `counts` are by resource type; `error` is the failure that ended the sync early, if one did.
    """

    center_id: str
    status: Literal["complete", "incomplete"]
    counts: Mapping[str, LandCounts]
    warnings: int
    reasons: tuple[str, ...]
    error: CryocohortError | None


def sync_center(
    center: Center, client: FhirClient, warehouse: Warehouse, context: SyncContext
) -> CenterReport:
    """Bring the warehouse up to date with one center.

    A failure of the server, or a refused sign-in, ends the sync and is told in the report; what was read
    before it is kept. Anything else (configuration, warehouse) is not the center's and is raised.
    """
    sync = _Sync(center, client, warehouse, context)
    try:
        for ask in asks(center, context.code_map, "cohort"):
            sync.read_cohort(ask)
        sync.read_patients(asks(center, context.code_map, "patient"))
    except (ServerError, SignInError) as error:
        sync.reasons.append(error.message)
        return sync.report(error)
    return sync.report(None)


@dataclass(slots=True)
class _Reading:
    """What came of one query: its pages, and the error that ended the walk early."""

    asked_at: dt.datetime
    pages: list[Page] = field(default_factory=list)
    error: ServerError | SignInError | None = None

    @property
    def losses(self) -> list[str]:
        """The codes of the issues by which the server said that something is missing, or that showed it."""
        told = {issue.code for page in self.pages for issue in page.issues if issue.is_loss}
        return sorted(told | {"incomplete" for page in self.pages if page.lost})

    @property
    def watermark(self) -> dt.datetime | None:
        """Up to when the server's data were read: its own time at the first answer; None when incomplete.

        Never later than our clock when the question was sent: a server or proxy whose clock is ahead would
        hide what is written until then. Without a Date header there is no watermark: the clocks may differ
        by more than any overlap, and reading everything again is the price of certainty.
        """
        if self.error is not None or self.losses or not self.pages or self.pages[0].server_time is None:
            return None
        return min(self.pages[0].server_time, self.asked_at)

    @property
    def warnings(self) -> int:
        """Issues reported, entries of other types, and an answer without a Date header."""
        issues = sum(len(page.issues) + page.ignored for page in self.pages)
        return issues + (1 if self.pages and self.pages[0].server_time is None else 0)


class _Sync:
    """One center's sync: its surroundings and what it has counted so far."""

    def __init__(
        self, center: Center, client: FhirClient, warehouse: Warehouse, context: SyncContext
    ) -> None:
        self._center = center
        self._client = client
        self._warehouse = warehouse
        self._context = context
        self._counts: dict[str, LandCounts] = {}
        self._warnings = 0
        self.reasons: list[str] = []

    def read_cohort(self, ask: Ask) -> None:
        """Find the cohort's procedures and, by them, its patients."""
        covered = coverage(self._warehouse, self._center.center_id, ask.resource_type.name)
        self._run(cohort_task(self._center, ask, covered), 1, 1)

    def read_patients(self, patient_asks: Sequence[Ask]) -> None:
        """Read what is asked about every patient known to belong to the cohort."""
        patient_ids = members(self._warehouse, self._center.center_id)
        tasks = [task for ask in patient_asks for task in self._patient_tasks(ask, patient_ids)]
        for number, task in enumerate(tasks, start=1):
            self._run(task, number, len(tasks))

    def report(self, error: CryocohortError | None) -> CenterReport:
        """How it ended."""
        return CenterReport(
            center_id=self._center.center_id,
            status="incomplete" if self.reasons else "complete",
            counts=dict(self._counts),
            warnings=self._warnings,
            reasons=tuple(self.reasons),
            error=error,
        )

    def _patient_tasks(self, ask: Ask, patient_ids: Sequence[str]) -> list[Task]:
        covered = coverage(self._warehouse, self._center.center_id, ask.resource_type.name)
        return patient_tasks(self._center, ask, patient_ids, covered)

    def _run(self, task: Task, number: int, units: int) -> None:
        """Ask one query and land its answer, whole or not; then raise what ended it early."""
        if self._context.is_stopping():
            raise IncompleteError(
                f"The sync of center {self._center.center_id} was asked to stop.",
                "run `cryocohort sync` again: it takes up where this one stopped.",
            )
        reading = self._read(task)
        counts = self._land(task, reading)
        resource_type = task.ask.resource_type.name
        self._context.progress.landed(
            UnitLanded(self._center.center_id, resource_type, task.ask.search.step, number, units, counts)
        )
        if reading.losses:
            self.reasons.append(
                f"The server of center {self._center.center_id} left something out of a search for "
                f"{resource_type} (OperationOutcome: {', '.join(reading.losses)})."
            )
        if reading.error is not None:
            raise reading.error

    def _read(self, task: Task) -> _Reading:
        reading = _Reading(asked_at=self._context.now())
        try:
            for page in walk(self._client, task.query):
                reading.pages.append(page)
        except (ServerError, SignInError) as error:
            reading.error = error
        return reading

    def _land(self, task: Task, reading: _Reading) -> LandCounts:
        received = [resource for page in reading.pages for resource in page.resources]
        accepted = accept(received, task, self._center)
        watermark = reading.watermark
        unit = Unit(
            run_id=self._context.run_id,
            center_id=self._center.center_id,
            resource_type=task.ask.resource_type.name,
            received=len(received),
            landed=accepted.landed,
            quarantined=accepted.quarantined,
            covered=[Covered(each, task.ask.fingerprint, watermark) for each in task.covers]
            if watermark
            else [],
            members=self._members(task.ask, accepted),
            warnings=reading.warnings + accepted.unasked,
            finished_at=self._context.now(),
        )
        counts = land(self._warehouse, unit)
        self._count(unit, counts)
        return counts

    def _members(self, ask: Ask, accepted: Accepted) -> list[str]:
        """The patients whom the accepted resources of a cohort query make members of the cohort."""
        if ask.search.step != "cohort" or ask.codes is None:
            return []
        wanted = member_codings(self._center, self._context.code_map, ask.resource_type)
        found = (
            patient_of(resource, ask.resource_type.patient_element, self._center.base_url)
            for resource in accepted.valid
            if wanted.intersection(codings(resource.get(ask.codes.parameter)))
        )
        return sorted({patient_id for patient_id in found if patient_id is not None})

    def _count(self, unit: Unit, counts: LandCounts) -> None:
        so_far = self._counts.get(unit.resource_type, LandCounts(0, 0, 0, 0))
        self._counts[unit.resource_type] = LandCounts(
            so_far.received + counts.received,
            so_far.landed + counts.landed,
            so_far.unchanged + counts.unchanged,
            so_far.quarantined + counts.quarantined,
        )
        self._warnings += unit.warnings
