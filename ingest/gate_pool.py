"""The gate's workers: a few resources are judged in place, a flood of them in processes of their own.

A core judges and minimises some 30,000 ordinary resources a second. Most nights bring fewer than are worth
starting workers for, so they start when as much has been done in place as starting them costs. From then on
they decode the pages as well, which threads of one process could only do in turns.
"""

import gc
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import TracebackType
from typing import Self

from ingest.accept import Accepted, accept
from ingest.center import FhirVersion
from ingest.decode import JsonObject
from ingest.lines import AcceptedLines, accept_lines
from ingest.page import Answer, read_apart, read_here, rejoined
from ingest.plan import Task

# Starting the workers costs about 0.65 s of CPU, most of it imports: as much as judging so many resources in
# place, or reading so many bytes with all that a walk does to them (docs/performance.md).
JUDGED_IN_PLACE = 20_000
READ_IN_PLACE = 16 * 1024 * 1024


@dataclass(frozen=True)
class Question:
    """A task and the center it is put to, packed once: it may name all patients."""

    task: Task
    base_url: str
    fhir_version: FhirVersion

    @cached_property
    def packed(self) -> bytes:
        """As it travels to the workers."""
        return pickle.dumps((self.task, self.base_url, self.fhir_version), pickle.HIGHEST_PROTOCOL)


class GatePool:
    """Judges pages for any number of threads; a context manager that ends its workers."""

    def __init__(
        self, workers: int, *, in_place: int = JUDGED_IN_PLACE, read_in_place: int = READ_IN_PLACE
    ) -> None:
        self._workers = workers
        self._in_place = in_place
        self._read_in_place = read_in_place
        self._lock = threading.Lock()
        self._pool: ProcessPoolExecutor | None = None
        self._first: Future[int] | None = None  # done when the workers have started

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            gc.unfreeze()

    def expect(self, size: int) -> None:
        """So many bytes of resources are coming: where that is a flood, let the workers start at once."""
        with self._lock:
            if size > self._read_in_place:
                self._started()

    def submit(
        self,
        resources: Sequence[JsonObject],
        task: Task,
        base_url: str,
        fhir_version: FhirVersion,
        known: Mapping[str, str],
    ) -> Future[Accepted]:
        """What `accept` makes of the resources, now or soon."""
        pool = self._pool_for(len(resources))
        if pool is not None:
            return pool.submit(accept, resources, task, base_url, fhir_version, known)
        done: Future[Accepted] = Future()
        done.set_result(accept(resources, task, base_url, fhir_version, known))
        return done

    def submit_lines(
        self, body: bytes, question: Question, known: Mapping[str, str]
    ) -> Future[AcceptedLines]:
        """What `accept_lines` makes of some lines, now or soon."""
        pool = self._pool_for(body.count(b"\n"))
        if pool is not None:
            return pool.submit(_accept_lines, body, question.packed, known)
        done: Future[AcceptedLines] = Future()
        done.set_result(accept_lines(body, question.task, question.base_url, question.fhir_version, known))
        return done

    def read(self, body: bytes, resource_type: str) -> Answer:
        """The answer in the body of a search's reply; raises ValueError as `decode_object` does.

        Workers leave the resources undecoded: whoever judges them decodes them.
        """
        pool = self._pool_for_bytes(len(body))
        if pool is None:
            return read_here(body, resource_type)
        return rejoined(body, resource_type, *pool.submit(read_apart, body, resource_type).result())

    def _pool_for(self, resources: int) -> ProcessPoolExecutor | None:
        with self._lock:
            self._in_place -= resources
            if self._in_place < 0 < resources:
                return self._started()
            return self._ready()

    def _pool_for_bytes(self, size: int) -> ProcessPoolExecutor | None:
        """The workers if they are worth it and have started: meanwhile it is quicker to decode in place."""
        with self._lock:
            self._read_in_place -= size
            if self._read_in_place < 0:
                self._started()
            return self._ready()

    def _ready(self) -> ProcessPoolExecutor | None:
        return self._pool if self._first is not None and self._first.done() else None

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # A flood makes objects by the thousand, and the collector would look through everything that is
            # here already (the models are hundreds of thousands) every so often.
            gc.freeze()
            self._pool = _start(self._workers)
            self._first = self._pool.submit(os.getpid)
        return self._pool


def _accept_lines(body: bytes, packed: bytes, known: Mapping[str, str]) -> AcceptedLines:
    return accept_lines(body, *_unpacked(packed), known)


@lru_cache(maxsize=8)
def _unpacked(packed: bytes) -> tuple[Task, str, FhirVersion]:
    told: tuple[Task, str, FhirVersion] = pickle.loads(packed)  # noqa: S301 -- from our own parent
    return told


def _start(workers: int) -> ProcessPoolExecutor:
    # Not by fork: this process has threads, and DuckDB's locks would be copied in whatever state they are.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([accept_lines.__module__])
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_settle_in)


def _settle_in() -> None:
    """Leave stopping to the parent, which ends between two units; never outlive it."""
    gc.freeze()  # the models are hundreds of thousands of objects that stay
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()  # a parent that was killed cannot say goodbye
        os._exit(1)
