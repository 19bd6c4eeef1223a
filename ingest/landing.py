"""Landing: the pages of one answer become landed units, judged while the next page is on its way.

A long answer lands in chunks, so that memory is bounded by pages and chunks and not by the answer. Only the
last chunk moves the watermark, and only when everything before it was read: what an incomplete answer
brought is kept, and the next sync asks for it again.
"""

import datetime as dt
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial

from ingest.accept import Accepted
from ingest.center import Center
from ingest.context import SyncContext
from ingest.decode import JsonObject
from ingest.gate_pool import Question
from ingest.lines import AcceptedLines, ids_in
from ingest.ndjson import Lines, Reading
from ingest.outcome import OutcomeIssue
from ingest.page import Page
from ingest.plan import Task
from ingest.stopping import Stopping
from ingest.tally import Tally
from mappings.errors import ServerError, SignInError, StoppedError
from warehouse.connection import Warehouse
from warehouse.known_content import KnownContent
from warehouse.land import Covered, LandCounts, Unit, land

PAGES_IN_THE_GATE = 4
CHUNKS_IN_THE_GATE = 16  # of lines, so many that the workers do not wait while others land
CHUNK_RESOURCES = 5_000

# Waits for what the gate makes of a page: how many resources were received, and what became of them.
_Judged = Callable[[], tuple[int, Accepted]]


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
            self.begin(page.server_time)
        self.pages += 1
        self.remarks += page.ignored
        self.note_issues(page.issues)
        if page.lost:
            self.losses.add("incomplete")

    def begin(self, server_time: dt.datetime | None) -> None:
        """Remember when the first of it was true."""
        self.server_time = server_time
        self.remarks += server_time is None

    def note_issues(self, issues: Sequence[OutcomeIssue]) -> None:
        """Remember what a server reported."""
        self.remarks += len(issues)
        self.losses |= {issue.code for issue in issues if issue.is_loss}

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
        flow = _Flow(partial(self._land, task, set_back=set_back), in_the_gate=PAGES_IN_THE_GATE)
        try:
            for page in pages:
                answer.note(page)
                flow.take(partial(_of_page, len(page.resources), self._judged(task, page)))
        except (ServerError, SignInError) as error:
            answer.error = error
        flow.drain()
        return self._ended(task, answer, flow)

    def land_lines(self, task: Task, reading: Reading, server_time: dt.datetime | None) -> LandCounts:
        """Land what files that were true at `server_time` hold; then raise what is wrong with them.

        For the rest as `land`.
        """
        answer = _Answer(asked_at=self._context.now())
        answer.begin(server_time)
        flow = _Flow(partial(self._land, task), in_the_gate=CHUNKS_IN_THE_GATE)
        judged = self._judge_of_lines(task)
        stopping = Stopping(self._center.center_id, self._context.is_stopping)
        try:
            for lines in reading:
                stopping.require_going_on()
                flow.take(partial(_of_lines, lines, answer, judged(lines.body)))
        except StoppedError as error:
            answer.error = error
        flow.drain()
        answer.error = answer.error or reading.what_is_wrong()
        return self._ended(task, answer, flow)

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

    def _judge_of_lines(self, task: Task) -> Callable[[bytes], Future[AcceptedLines]]:
        center, gate, name = self._center, self._context.gate, task.ask.resource_type.name
        question = Question(task, center.base_url, center.fhir_version)
        is_any_known = self._known.is_any(name)

        def judged(body: bytes) -> Future[AcceptedLines]:
            known = self._known.hashes(name, ids_in(body)) if is_any_known else {}
            return gate.submit_lines(body, question, known)

        return judged

    def _ended(self, task: Task, answer: _Answer, flow: "_Flow") -> LandCounts:
        flow.land(answer.remarks, answer.watermark)
        self._tally.spend(task.ask.resource_type.name, self._context.now() - answer.asked_at)
        self._tell(task, answer)
        return flow.total

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


class _Flow:
    """Takes what the gate judges, so many pages behind, and lands it in chunks."""

    def __init__(self, land: Callable[[_Chunk, dt.datetime | None], LandCounts], *, in_the_gate: int) -> None:
        self._land = land
        self._in_the_gate = in_the_gate
        self._waiting: deque[_Judged] = deque()
        self._chunk = _Chunk()
        self.total = LandCounts(0, 0, 0, 0)

    def take(self, judged: _Judged) -> None:
        """Put one more behind what is in the gate, and land what has come out."""
        self._waiting.append(judged)
        if len(self._waiting) >= self._in_the_gate:
            self.drain(down_to=self._in_the_gate - 1)
        if self._chunk.received >= CHUNK_RESOURCES:
            self.land(0, None)

    def drain(self, *, down_to: int = 0) -> None:
        """Wait until no more than so many are in the gate."""
        while len(self._waiting) > down_to:
            self._chunk.take(*self._waiting.popleft()())

    def land(self, remarks: int, watermark: dt.datetime | None) -> None:
        """Land what was judged and not landed yet."""
        self._chunk.remarks += remarks
        self.total += self._land(self._chunk, watermark)
        self._chunk = _Chunk()


def _of_page(received: int, judged: Future[Accepted]) -> tuple[int, Accepted]:
    return received, judged.result()


def _of_lines(lines: Lines, answer: _Answer, judged: Future[AcceptedLines]) -> tuple[int, Accepted]:
    found = judged.result()
    lines.turned_out(found.lines, found.unreadable)
    answer.note_issues(found.issues)
    return found.received, found.accepted
