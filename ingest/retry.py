"""Asking again for what was refused: read anew, judged by today's gate, landed when it passes.

A refused resource is stored as far as the study may hold it, and that is not what the gate judges: so the
center's server is asked again, for each by its id. Patients are asked for by the search that a sync asks,
which keeps their ids out of URLs where the server takes a POST. What the server deleted, and what no query of
the study asks for any more, is refused no longer; an older version of it leaves by the next reconciliation.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from ingest.center import Center
from ingest.client import FhirClient
from ingest.context import SyncContext
from ingest.decode import JsonObject
from ingest.id_pass import require_going_on
from ingest.landing import Landing
from ingest.plan import Ask, Task, asks, cohort_task, patient_tasks, patients_task
from ingest.read import Word, word_on
from ingest.search import Page, walk
from ingest.source import BySearch
from ingest.tally import CenterReport, Tally
from mappings.errors import ServerError, SignInError, StoppedError, UnreachableError
from warehouse.connection import Warehouse
from warehouse.land import members
from warehouse.quarantine import close_faults

BATCH = 200  # resources read before they land together


@dataclass(slots=True)
class AskedAgain:
    """What a center said of the refused resources of one type.

    `deleted` are gone at the server, `unasked` are there and no query of the study asks for them; of `untold`
    the server said nothing. All others have come, and the gate has judged them.
    """

    center_id: str
    resource_type: str
    asked: int
    deleted: int = 0
    unasked: int = 0
    untold: int = 0


@dataclass(frozen=True, slots=True)
class Retried:
    """How asking one center again ended, and what it said of each type."""

    report: CenterReport
    types: Sequence[AskedAgain]


def retry_center(
    center: Center,
    client: FhirClient,
    warehouse: Warehouse,
    context: SyncContext,
    refused: Mapping[str, Sequence[str]],
) -> Retried:
    """Ask one center's server again for what was `refused` (ids by resource type).

    A failure of the server, or a refused sign-in, is told in the report; what was read before it is kept.
    """
    tally = Tally(center.center_id)
    retry = _Retry(center, client, warehouse, context, tally)
    try:
        retry.run(refused)
    except (ServerError, SignInError) as error:
        tally.fail(error)
    return Retried(tally.report(client.remarks, {}), retry.types)


@dataclass(slots=True)
class _Heard:
    """What was said of a batch: resources that are there, and ids of those that are not."""

    alive: list[JsonObject] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)


class _Retry:
    """One center: its surroundings, and the types that were asked for again so far."""

    def __init__(
        self, center: Center, client: FhirClient, warehouse: Warehouse, context: SyncContext, tally: Tally
    ) -> None:
        self._center = center
        self._client = client
        self._warehouse = warehouse
        self._context = context
        self._tally = tally
        self._landing = Landing(center, warehouse, context, tally)
        self._cohort_asks = asks(center, context.code_map, "cohort")
        self._patient_asks = asks(center, context.code_map, "patient")
        self.types: list[AskedAgain] = []

    def run(self, refused: Mapping[str, Sequence[str]]) -> None:
        """The types that make members first, for what belongs to these; a type that fails stays as it was."""
        cohort_types = {ask.resource_type.name for ask in self._cohort_asks}
        for name in sorted(refused, key=lambda each: (each not in cohort_types, each)):
            told = AskedAgain(self._center.center_id, name, len(refused[name]))
            self.types.append(told)
            try:
                self._retry(told, refused[name])
            except (UnreachableError, StoppedError):
                raise
            except (ServerError, SignInError) as error:
                self._tally.fail(error, name)

    def _retry(self, told: AskedAgain, ids: Sequence[str]) -> None:
        for ask in self._patient_asks:
            if ask.resource_type.name == told.resource_type and ask.resource_type.patient_element == "id":
                ids = self._members_of(told, ids)
                # A center that is read by export need not offer searches.
                if isinstance(self._center.source, BySearch):
                    self._search_patients(told, ask, ids)
                    return
        for start in range(0, len(ids), BATCH):
            heard = self._heard(told, ids[start : start + BATCH])
            self._land(told, heard.alive)
            self._close(told, heard.deleted)
            told.deleted += len(heard.deleted)

    def _members_of(self, told: AskedAgain, ids: Sequence[str]) -> list[str]:
        """Those who belong to the cohort; nobody asks for the others any more."""
        former = set(ids) - set(members(self._warehouse, self._center.center_id))
        self._close(told, sorted(former))
        told.unasked += len(former)
        return [each for each in ids if each not in former]

    def _search_patients(self, told: AskedAgain, ask: Ask, ids: Sequence[str]) -> None:
        """Land what the sync's own search finds of them."""
        found: set[str] = set()
        for task in patient_tasks(self._center, ask, ids, {}):
            require_going_on(self._center, self._context)
            self._landing.land(task, _noted(walk(self._client, task.query), found))
        told.untold += len(set(ids) - found)

    def _heard(self, told: AskedAgain, ids: Sequence[str]) -> _Heard:
        """The server's word on each of these."""
        heard = _Heard()
        for resource_id, word in zip(ids, self._words(told.resource_type, ids), strict=True):
            if word.resource is not None:
                heard.alive.append(word.resource)
            elif word.reason is not None:
                heard.deleted.append(resource_id)
            else:
                told.untold += 1
        return heard

    def _words(self, resource_type: str, ids: Sequence[str]) -> list[Word]:
        """Several at a time; the first failure keeps those that wait from being asked for."""
        with ThreadPoolExecutor(self._center.concurrency) as pool:
            waiting = [pool.submit(self._word, resource_type, each) for each in ids]
            try:
                return [each.result() for each in waiting]
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _word(self, resource_type: str, resource_id: str) -> Word:
        require_going_on(self._center, self._context)
        # Of a center that is read by export nobody has promised that it answers reads.
        is_offered = isinstance(self._center.source, BySearch)
        return word_on(self._client, resource_type, resource_id, is_offered=is_offered)

    def _land(self, told: AskedAgain, alive: Sequence[JsonObject]) -> None:
        """Land each by the first query that would bring it; what none would bring is not the study's."""
        base_url = self._center.base_url
        left = list(alive)
        for task in self._tasks(told.resource_type):
            admitted = [each for each in left if task.query.admits(each, base_url)]
            if admitted:
                self._landing.land_read(task, admitted)
                left = [each for each in left if not task.query.admits(each, base_url)]
        self._close(told, [each["id"] for each in left])
        told.unasked += len(left)

    def _tasks(self, resource_type: str) -> Iterator[Task]:
        for ask in self._cohort_asks:
            if ask.resource_type.name == resource_type:
                yield cohort_task(self._center, ask, {})
        for ask in self._patient_asks:
            if ask.resource_type.name == resource_type:
                yield patients_task(self._center, ask, members(self._warehouse, self._center.center_id))

    def _close(self, told: AskedAgain, ids: Sequence[str]) -> None:
        if ids:
            close_faults(self._warehouse, self._center.center_id, told.resource_type, ids)


def _noted(pages: Iterator[Page], found: set[str]) -> Iterator[Page]:
    """The pages as they come; the ids on them are added to `found`."""
    for page in pages:
        found |= page.ids
        yield page
