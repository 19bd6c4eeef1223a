"""What one run may ask of a center's server: how much at once, how much in all, how often again.

A server that is busy or down is not helped by more requests: each 429 halves the requests in flight, and
retries are paid from an account that only answered requests fill (the retry throttling of gRPC, proposal
A6), so a server that fails every request costs a fixed number of retries, not a multiple of the requests.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ingest.center import Center
from mappings.errors import IncompleteError

_JITTER = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a request is repeated, and how long is waited and read at most (seconds).

    `tokens` is what a run's retry account holds at the start and at most: a retry takes one, an answered
    request brings `refill`. `exchange_seconds` bounds one exchange from the first to the last byte.
    """

    retries: int = 5
    backoff: float = 0.5
    max_wait: float = 120.0
    body_tries: int = 3
    exchange_seconds: float = 600.0
    tokens: float = 50.0
    refill: float = 0.1

    def wait(self, tries: int, retry_after: float | None) -> float:
        """Seconds before the next try: what the server asked, from our backoff up to `max_wait`."""
        own = self.backoff * 2.0 ** (tries - 1) + _JITTER.uniform(0, self.backoff)
        return min(max(own, retry_after or 0.0), self.max_wait)


class Lanes:
    """At most `limit` requests at the same time; whoever finds none free waits."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0
        self._changed = threading.Condition()

    @property
    def limit(self) -> int:
        """How many requests may be under way now."""
        return self._limit

    @contextmanager
    def lane(self) -> Iterator[None]:
        """Hold a lane while the block runs."""
        with self._changed:
            self._changed.wait_for(lambda: self._taken < self._limit)
            self._taken += 1
        try:
            yield
        finally:
            with self._changed:
                self._taken -= 1
                self._changed.notify()

    def narrow(self) -> None:
        """Halve the lanes for the rest of the run; one stays."""
        with self._changed:
            self._limit = max(1, self._limit // 2)


class Budget:
    """The requests, the time and the retries that a run may spend on one center; for several threads."""

    def __init__(
        self, center: Center, policy: RetryPolicy, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._center = center
        self._policy = policy
        self._monotonic = monotonic
        self._ends = monotonic() + center.max_duration.total_seconds()
        self._requests = 0
        self._tokens = policy.tokens
        self._lock = threading.Lock()

    def spend(self) -> None:
        """Note that a request is about to be sent; raises IncompleteError when none is left."""
        self.reserve(0.0)
        with self._lock:
            self._requests += 1
            if self._requests <= self._center.max_requests:
                return
        raise self._spent(f"{self._center.max_requests} requests", "max_requests_per_center")

    def reserve(self, seconds: float) -> None:
        """Raise IncompleteError when `seconds` from now lie beyond the run's time for this center."""
        if self._monotonic() + seconds > self._ends:
            minutes = self._center.max_duration.total_seconds() / 60
            raise self._spent(f"{minutes:g} minutes", "max_minutes_per_center")

    def answered(self) -> None:
        """Note that a request was answered: it pays for a part of a later retry."""
        with self._lock:
            self._tokens = min(self._policy.tokens, self._tokens + self._policy.refill)

    def may_retry(self) -> bool:
        """Take one retry from the run's account; False when it is empty."""
        with self._lock:
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True

    def _spent(self, what: str, key: str) -> IncompleteError:
        return IncompleteError(
            f"The {what} that a run may spend on center {self._center.center_id} are used up.",
            f"run `cryocohort sync` again, it takes up where this one stopped; or raise ingest.{key}.",
        )
