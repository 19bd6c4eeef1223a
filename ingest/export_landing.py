"""From the files of an export to landed resources: the cohort first, then everything of its patients."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ingest.center import Center
from ingest.context import SyncContext, UnitLanded
from ingest.id_pass import require_going_on
from ingest.landing import Landing
from ingest.ndjson import DataFile, Reading, size_of
from ingest.plan import COHORT, Ask, Task, asks, cohort_task, patients_task
from ingest.tally import Tally
from mappings.errors import IncompleteError, StoppedError
from warehouse.connection import Warehouse
from warehouse.dating import undated
from warehouse.departures import Deletion, DepartureLimit, delete
from warehouse.land import Covered, coverage, members


@dataclass(frozen=True, slots=True)
class Taken:
    """An export on this machine.

    `watermark` is up to when it holds every change: None when something is missing or nobody says. `losses`
    are reasons fit to show; `deleted` are ids by type. `delivered_at` is the transaction time of an export
    that holds all there is of every type asked for; None for any other.
    """

    files: Sequence[DataFile]
    deleted: Mapping[str, Sequence[str]]
    watermark: dt.datetime | None
    is_everything: bool
    losses: Sequence[str]
    delivered_at: dt.datetime | None = None


class ExportLanding:
    """Lands what the study asks for of one center's exports."""

    def __init__(self, center: Center, warehouse: Warehouse, context: SyncContext, tally: Tally) -> None:
        self.center = center
        self.warehouse = warehouse
        self.context = context
        self.tally = tally
        self.landing = Landing(center, warehouse, context, tally)
        self.cohort_asks = asks(center, context.code_map, "cohort")
        self.patient_asks = asks(center, context.code_map, "patient")

    def since(self) -> dt.datetime | None:
        """From when on changes are needed; None for everything.

        That is when nothing, or another question, was read so far, and when dates of change tell nothing.
        """
        if self._is_any_undated():
            return None
        known: list[dt.datetime] = []
        for ask in self.cohort_asks:
            entry = self._covered(ask).get(COHORT)
            if entry is None:
                return None
            known.append(entry.watermark)
        for ask in self.patient_asks:
            covered = self._covered(ask)
            known += [covered[each].watermark for each in self._members() if each in covered]
        return min(known) - self.center.overlap

    def _is_any_undated(self) -> bool:
        names = {ask.resource_type.name for ask in [*self.cohort_asks, *self.patient_asks]}
        found = {each: undated(self.warehouse, self.center.center_id, each) for each in sorted(names)}
        for resource_type, why in found.items():
            if why is not None:
                self.tally.distrust(resource_type, why)
        return any(found.values())

    @property
    def is_accepted(self) -> bool:
        """Whether an operator has accepted whatever leaves this center."""
        return self.center.center_id in self.context.reconcile.accepted

    def new_patients(self) -> dict[str, list[str]]:
        """Members of the cohort whose resources of a type were not read to their end yet, by type."""
        return self._patients(lambda ids, covered: ids - covered)

    def known_patients(self) -> dict[str, list[str]]:
        """Members of the cohort whose history of a type is here, by type."""
        return self._patients(lambda ids, covered: ids & covered)

    def members_by_type(self) -> dict[str, list[str]]:
        """All members of the cohort, for each type."""
        return self._patients(lambda ids, _covered: ids)

    def tell(self, taken: Taken) -> None:
        """Tell what is missing from an export."""
        for reason in taken.losses:
            self.tally.lack(reason)

    def read_cohort(self, taken: Taken) -> None:
        """Find the cohort's procedures and, by them, its patients."""
        self.context.gate.expect(size_of(taken.files))
        self._land_all(taken, [cohort_task(self.center, ask, {}) for ask in self.cohort_asks])

    def read_patients(self, taken: Taken, patients: Mapping[str, Sequence[str]]) -> None:
        """Land the resources of these patients (ids by type)."""
        wanted = [(ask, patients.get(ask.resource_type.name, ())) for ask in self.patient_asks]
        self._land_all(taken, [patients_task(self.center, ask, ids) for ask, ids in wanted if ids])

    def let_go(self, taken: Taken) -> None:
        """Let go what the center says it has deleted; raises IncompleteError when that is too much."""
        rules, center_id = self.context.reconcile, self.center.center_id
        limit = DepartureLimit(rules.max_deleted_percent, self.is_accepted)
        for name, ids in taken.deleted.items():
            deletion = Deletion(self.context.run_id, center_id, name, ids, self.context.now())
            self.tally.depart(name, delete(self.warehouse, deletion, limit))

    def _patients(self, chosen: Callable[[set[str], set[str]], set[str]]) -> dict[str, list[str]]:
        ids = set(self._members())
        found = {
            ask.resource_type.name: sorted(chosen(ids, set(self._covered(ask)))) for ask in self.patient_asks
        }
        return {name: listed for name, listed in found.items() if listed}

    def _members(self) -> list[str]:
        return members(self.warehouse, self.center.center_id)

    def _covered(self, ask: Ask) -> dict[str, Covered]:
        """What was read completely for this very question."""
        found = coverage(self.warehouse, self.center.center_id, ask.resource_type.name)
        return {key: entry for key, entry in found.items() if entry.fingerprint == ask.fingerprint}

    def _land_all(self, taken: Taken, tasks: Sequence[Task]) -> None:
        for number, task in enumerate(tasks, start=1):
            require_going_on(self.center, self.context)
            self._land(taken, task, number, len(tasks))

    def _land(self, taken: Taken, task: Task, number: int, planned: int) -> None:
        """Land one task; files that are not whole are told, and leave the other types alone."""
        reading, began = Reading(taken.files, task.ask.resource_type.name), self.context.now()
        try:
            counts = self.landing.land_lines(task, reading, taken.watermark)
        except StoppedError:
            raise
        except IncompleteError as error:
            self.tally.lack(f"Center {self.center.center_id}: {error.message}")
            return
        where = self.context.run_id, self.center.center_id, task.ask.resource_type.name, task.ask.search.step
        seconds = (self.context.now() - began).total_seconds()
        self.context.progress.landed(UnitLanded(*where, number, planned, counts, seconds))
