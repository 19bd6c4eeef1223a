"""The demo servers over HTTP, on the loopback interface only.

`demo_servers` starts both centers with their cohort and noise; a DemoServer alone starts empty.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from service.demo import center_a, center_b
from service.demo.api import ROOT, Clock, FhirApi
from service.demo.cohort import DemoPatient, read_cohort
from service.demo.fhir import DemoCenter, Resource
from service.demo.loopback import Access, LoopbackServer
from service.demo.noise import noise
from service.demo.noise_item import NoiseItem
from service.demo.pages import Habits

LOADED_DAYS_AGO = 30  # when the cohort was written, as the servers tell it
STAMPED_TOGETHER = 40  # resources that share one lastUpdated, as after a bulk import
NO_HABITS = Habits(frozenset(), {})


class DemoServer:
    """One FHIR server in a thread of its own, from `with` to its end.

    fhir_version: 'R4' or 'R5'. clock: UTC now, for stamps and the Date header. `url`: the FHIR base. With a
    `token` it demands that bearer token.
    """

    def __init__(
        self, fhir_version: str, clock: Clock, habits: Habits = NO_HABITS, token: str | None = None
    ) -> None:
        self._http = LoopbackServer(clock)
        self.url = f"http://127.0.0.1:{self._http.server_port}{ROOT}"
        self._http.api = FhirApi(fhir_version, self.url, clock, habits, token)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def log(self) -> Sequence[Access]:
        """Method, path and status of every request so far, without parameter values."""
        return tuple(self._http.log)

    def load(self, resources: Iterable[Resource], last_updated: datetime) -> None:
        """Store resources as if they had been written at that time."""
        self._http.api.load(resources, last_updated)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.stop()
        self._thread.join()


@dataclass(frozen=True, slots=True)
class DemoServers:
    """Both centers' servers, running."""

    a: DemoServer
    b: DemoServer

    @property
    def a_url(self) -> str:
        """FHIR base of center a (R4)."""
        return self.a.url

    @property
    def b_url(self) -> str:
        """FHIR base of center b (R5)."""
        return self.b.url

    @property
    def urls(self) -> Mapping[str, str]:
        """FHIR base by center id."""
        return {"a": self.a.url, "b": self.b.url}


@contextmanager
def demo_servers(now: Clock, token: str | None = None) -> Iterator[DemoServers]:
    """Both demo servers with the synthetic cohort and its noise, stopped at the end of the `with` block.

    With a `token` that of center a demands it.
    """
    patients = read_cohort()
    with (
        _loaded(center_a.build(patients), patients, now, token) as a,
        _loaded(center_b.build(patients), patients, now, None) as b,
    ):
        yield DemoServers(a, b)


def _loaded(center: DemoCenter, patients: Sequence[DemoPatient], now: Clock, token: str | None) -> DemoServer:
    items = noise(center, patients)
    server = DemoServer(center.fhir_version, now, _habits(items), token)
    resources = [*center.resources, *_stored(items)]
    start = now() - timedelta(days=LOADED_DAYS_AGO)
    for batch, first in enumerate(range(0, len(resources), STAMPED_TOGETHER)):
        server.load(resources[first : first + STAMPED_TOGETHER], start + timedelta(minutes=batch))
    return server


def _stored(items: Iterable[NoiseItem]) -> list[Resource]:
    return [each for item in items if item.visibility != "reported" for each in item.resources]


def _habits(items: Iterable[NoiseItem]) -> Habits:
    """What the server adds to pages; its warnings come with the Observations."""
    reported = [
        ("Observation", each) for item in items if item.visibility == "reported" for each in item.resources
    ]
    repeats = frozenset(address for item in items for address in item.repeats)
    return Habits(repeats, dict(reported))
