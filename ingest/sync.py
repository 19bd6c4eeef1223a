"""The story of one center's sync, by search; those by export and from a folder: bulk_sync.py, folder_sync.py.

The cohort's procedures are read first, then, per batch of patients, everything else, several queries at a
time. Each answer lands with its watermark; what fails is told. A type that cannot be read leaves the others
alone; a server that cannot be reached, or a refused sign-in, ends the center. After a complete sync that is
due for it, what the server has no more leaves the warehouse (ingest/reconcile.py).
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from ingest.bulk_sync import sync_by_export
from ingest.center import Center
from ingest.client import FhirClient
from ingest.context import Progress, SyncContext, UnitLanded
from ingest.evidence import SearchEvidence
from ingest.export_landing import ExportLanding
from ingest.folder_sync import sync_from_folder
from ingest.id_pass import require_going_on
from ingest.landing import Landing
from ingest.plan import Ask, Task, asks, cohort_task, patient_tasks
from ingest.reconcile import Place, reconcile_center
from ingest.search import walk
from ingest.source import ByExport, ByFolder, BySearch
from ingest.tally import CenterReport, Tally
from mappings.errors import ForbiddenError, ServerError, SignInError, StoppedError, UnreachableError
from warehouse.connection import Warehouse
from warehouse.dating import undated
from warehouse.land import Covered, coverage, members

__all__ = ["CenterReport", "Progress", "SyncContext", "UnitLanded", "sync_center"]


def sync_center(
    center: Center, client: FhirClient, warehouse: Warehouse, context: SyncContext
) -> CenterReport:
    """Bring the warehouse up to date with one center.

    A failure of the server, or a refused sign-in, is told in the report; what was read before it is kept.
    Anything else (configuration, warehouse) is not the center's and is raised.
    """
    tally = Tally(center.center_id)
    try:
        match center.source:
            case ByExport() as source:
                sync_by_export(source, client, ExportLanding(center, warehouse, context, tally))
            case ByFolder() as source:
                sync_from_folder(source, ExportLanding(center, warehouse, context, tally))
            case BySearch():
                _Sync(center, client, warehouse, context, tally).run()
    except (ServerError, SignInError) as error:
        tally.fail(error)
    return tally.report(client.remarks, client.meter.by_subject())


class _Sync:
    """One center's sync by search: its surroundings, its story, and the steps of it."""

    def __init__(
        self, center: Center, client: FhirClient, warehouse: Warehouse, context: SyncContext, tally: Tally
    ) -> None:
        self._center = center
        self._client = client
        self._warehouse = warehouse
        self._context = context
        self._tally = tally
        self._landing = Landing(center, warehouse, context, tally)

    def run(self) -> None:
        """The cohort, its patients and, after a complete sync, what is there no more."""
        cohort_asks = asks(self._center, self._context.code_map, "cohort")
        patient_asks = asks(self._center, self._context.code_map, "patient")
        self.read_cohort(cohort_asks)
        self.read_patients(patient_asks)
        if self._tally.is_complete():
            self.reconcile([*cohort_asks, *patient_asks])

    def read_cohort(self, cohort_asks: Sequence[Ask]) -> None:
        """Find the cohort's procedures and, by them, its patients."""
        self._read_all([cohort_task(self._center, ask, self._covered(ask)) for ask in cohort_asks])

    def read_patients(self, patient_asks: Sequence[Ask]) -> None:
        """Read what is asked about every patient known to belong to the cohort."""
        patient_ids = members(self._warehouse, self._center.center_id)
        self._read_all(
            [
                task
                for ask in patient_asks
                for task in patient_tasks(self._center, ask, patient_ids, self._covered(ask))
            ]
        )

    def reconcile(self, every_ask: Sequence[Ask]) -> None:
        """From time to time, let go what is not there any more; after a complete sync only."""
        place = Place(self._center, self._warehouse, self._context, self._landing, self._tally)
        reconcile_center(place, SearchEvidence(self._center, self._client, self._context), every_ask)

    def _covered(self, ask: Ask) -> dict[str, Covered]:
        """What needs to be asked for changes only: nothing of a type whose dates of change tell nothing."""
        center_id, resource_type = self._center.center_id, ask.resource_type.name
        why = undated(self._warehouse, center_id, resource_type)
        if why is not None:
            self._tally.distrust(resource_type, why)
            return {}
        return coverage(self._warehouse, center_id, resource_type)

    def _read_all(self, tasks: Sequence[Task]) -> None:
        """Run the tasks, several at a time; the first failure that ends the center ends the others."""
        steps = _Steps(len(tasks))
        with ThreadPoolExecutor(self._center.concurrency) as pool:
            running = [pool.submit(self._read_unless_ended, task, steps) for task in tasks]
        for each in running:
            each.result()

    def _read_unless_ended(self, task: Task, steps: "_Steps") -> None:
        if steps.is_ended or self._tally.has_failed(task.ask.resource_type.name):
            return
        try:
            self._read(task, steps)
        except BaseException:
            steps.is_ended = True
            raise

    def _read(self, task: Task, steps: "_Steps") -> None:
        """Ask one query and land its answer; a failure of its type alone is noted, any other is raised."""
        require_going_on(self._center, self._context)
        resource_type, began = task.ask.resource_type.name, self._context.now()
        try:
            counts = self._landing.land(task, walk(self._client, task.query))
        except (ServerError, ForbiddenError) as error:
            if isinstance(error, UnreachableError | StoppedError):
                raise
            self._tally.fail(error, resource_type)
            return
        seconds = (self._context.now() - began).total_seconds()
        where = self._context.run_id, self._center.center_id, resource_type, task.ask.search.step
        steps.finish(
            lambda number: self._context.progress.landed(
                UnitLanded(*where, number, steps.planned, counts, seconds)
            )
        )


class _Steps:
    """How many of the planned tasks are done; `is_ended` keeps those that wait from beginning."""

    def __init__(self, planned: int) -> None:
        self.planned = planned
        self.is_ended = False
        self._done = 0
        self._lock = threading.Lock()

    def finish(self, tell: Callable[[int], None]) -> None:
        """One more is done; `tell` hears its number, one thread after the other."""
        with self._lock:
            self._done += 1
            tell(self._done)
