"""What one run asks of a center's server, counted by resource type: requests, and bytes of the answers."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests sent, repeated ones included, and bytes received: bodies as they came, mostly compressed."""

    requests: int = 0
    bytes: int = 0


class Meter:
    """Counts the traffic with one server; safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._traffic: dict[str, Traffic] = {}

    def sent(self, about: str) -> None:
        """A request goes out."""
        self._add(about, requests=1)

    def received(self, about: str, count: int) -> None:
        """Bytes of a body have come in."""
        self._add(about, count=count)

    def by_subject(self) -> Mapping[str, Traffic]:
        """The traffic so far, by resource type or by what else was asked about."""
        with self._lock:
            return dict(self._traffic)

    def _add(self, about: str, requests: int = 0, count: int = 0) -> None:
        with self._lock:
            known = self._traffic.get(about, Traffic())
            self._traffic[about] = Traffic(known.requests + requests, known.bytes + count)
