"""Landing: the pages of one answer become landed units, judged while the next page is on its way.

A long answer lands in chunks, so that memory is bounded by pages and chunks and not by the answer. Only the
last chunk moves the watermark, and only when everything before it was read: what an incomplete answer
brought is kept, and the next sync asks for it again.
"""

import datetime as dt
from collections import deque
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import Future
from dataclasses import dataclass, field

from ingest.accept import Accepted
from ingest.center import Center
from ingest.context import SyncContext
from ingest.decode import JsonObject
from ingest.page import Page
from ingest.plan import Task
from ingest.tally import Tally
from mappings.errors import ServerError, SignInError
from warehouse.connection import Warehouse
from warehouse.known_content import KnownContent
from warehouse.land import Covered, LandCounts, Unit, land

PAGES_IN_THE_GATE = 4
CHUNK_RESOURCES = 5_000


@dataclass(slots=True)
class _Answer:
    """What is known of an answer so far: its losses, its remarks, and when it was true."""

    asked_at: dt.datetime
    losses: set[str] = field(default_factory=set)
    remarks: int = 0
    pages: int = 0
    server_time: dt.datetime | None = None
    error: ServerError | SignInError | None = None

    def note(self, page: Page) -> None:
        """Remember what a page says besides its resources."""
        if self.pages == 0:
            self.server_time = page.server_time
            self.remarks += page.server_time is None
        self.pages += 1
        self.remarks += len(page.issues) + page.ignored
        self.losses |= {issue.code for issue in page.issues if issue.is_loss}
        if page.lost:
            self.losses.add("incomplete")

    @property
    def watermark(self) -> dt.datetime | None:
        """Up to when the server's data were read: its own time at the first answer; None when incomplete.

        Never later than our clock when the question was sent: a server or proxy whose clock is ahead would
        hide what is written until then. Without a Date header there is no watermark: the clocks may differ
        by more than any overlap, and reading everything again is the price of certainty.
        """
        if self.error is not None or self.losses or self.server_time is None:
            return None
        return min(self.server_time, self.asked_at)


@dataclass(slots=True)
class _Chunk:
    """Resources judged but not landed yet."""

    received: int = 0
    remarks: int = 0
    accepted: Accepted = field(default_factory=Accepted)

    def take(self, received: int, accepted: Accepted) -> None:
        """Add what became of one page."""
        self.received += received
        self.remarks += accepted.unasked
        self.accepted.landed += accepted.landed
        self.accepted.quarantined += accepted.quarantined
        self.accepted.members |= accepted.members


class Landing:
    """Lands the answers to one center's queries; safe for several threads."""

    def __init__(self, center: Center, warehouse: Warehouse, context: SyncContext, tally: Tally) -> None:
        self._center = center
        self._warehouse = warehouse
        self._context = context
        self._tally = tally
        self._known = KnownContent(warehouse, center.center_id)

    def land(self, task: Task, pages: Iterable[Page], set_back: AbstractSet[str] = frozenset()) -> LandCounts:
        """Land what the pages hold, whole or not; then raise the error that ended them early.

        A loss that the server admits is told to the tally; either leaves the watermark where it was.
        Of the resources in `set_back` an older version replaces a newer one.
        """
        answer = _Answer(asked_at=self._context.now())
        waiting: deque[tuple[int, Future[Accepted]]] = deque()
        chunk, total = _Chunk(), LandCounts(0, 0, 0, 0)
        try:
            for page in pages:
                answer.note(page)
                waiting.append((len(page.resources), self._judged(task, page)))
                if len(waiting) >= PAGES_IN_THE_GATE:
                    _drain(waiting, chunk, down_to=PAGES_IN_THE_GATE - 1)
                if chunk.received >= CHUNK_RESOURCES:
                    total += self._land(task, chunk, None, set_back)
                    chunk = _Chunk()
        except (ServerError, SignInError) as error:
            answer.error = error
        _drain(waiting, chunk, down_to=0)
        chunk.remarks += answer.remarks
        total += self._land(task, chunk, answer.watermark, set_back)
        self._tally.spend(task.ask.resource_type.name, self._context.now() - answer.asked_at)
        self._tell(task, answer)
        return total

    def land_read(self, task: Task, resources: Sequence[JsonObject], *, warnings: int = 0) -> None:
        """Land resources that were read by id; no watermark moves, for a read tells nothing of others."""
        chunk = _Chunk(remarks=warnings)
        page = Page(resources, (), 0, 0, None)
        chunk.take(len(resources), self._judged(task, page).result())
        self._land(task, chunk, None)

    def _judged(self, task: Task, page: Page) -> Future[Accepted]:
        center = self._center
        known = self._known.hashes(task.ask.resource_type.name, sorted(page.ids))
        gate = self._context.gate
        return gate.submit(page.resources, task, center.base_url, center.fhir_version, known)

    def _land(
        self,
        task: Task,
        chunk: _Chunk,
        watermark: dt.datetime | None,
        set_back: AbstractSet[str] = frozenset(),
    ) -> LandCounts:
        covers = task.covers if watermark else ()
        unit = Unit(
            run_id=self._context.run_id,
            center_id=self._center.center_id,
            resource_type=task.ask.resource_type.name,
            received=chunk.received,
            landed=chunk.accepted.landed,
            quarantined=chunk.accepted.quarantined,
            covered=[Covered(each, task.ask.fingerprint, watermark) for each in covers if watermark],
            members=sorted(chunk.accepted.members),
            warnings=chunk.remarks,
            set_back=set_back,
            finished_at=self._context.now(),
        )
        counts = land(self._warehouse, unit)
        self._tally.add(unit.resource_type, counts, unit.warnings)
        return counts

    def _tell(self, task: Task, answer: _Answer) -> None:
        if answer.losses:
            self._tally.lack(
                f"The server of center {self._center.center_id} left something out of what it sent of "
                f"{task.ask.resource_type.name} (OperationOutcome: {', '.join(sorted(answer.losses))})."
            )
        if answer.error is not None:
            raise answer.error


def _drain(waiting: deque[tuple[int, Future[Accepted]]], chunk: _Chunk, *, down_to: int) -> None:
    while len(waiting) > down_to:
        received, judged = waiting.popleft()
        chunk.take(received, judged.result())
