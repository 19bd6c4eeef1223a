"""What a run may ask of a center: so much at once, so much in all, and no more retries than it has earned."""

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from ingest.budget import Budget, Lanes, RetryPolicy
from ingest.client import FhirClient
from ingest.query import PatientFilter, Query
from ingest.search import walk
from mappings.errors import IncompleteError, UnreachableError
from tests.faults.fault_server import FaultServer, answering, cut_after, fault_serving
from tests.ingest.examples import QUICK, center, observation
from tests.ingest.loopback import Fault, Seen

BASE = "https://fhir.example.org/r4"
PATIENTS = [f"p{number}" for number in range(12)]


@pytest.fixture
def server() -> Iterator[FaultServer]:
    resources = [observation(f"{patient}-{number}", patient) for patient in PATIENTS for number in range(3)]
    with fault_serving(FaultServer(resources)) as running:
        yield running


def of(patient_id: str) -> Query:
    return Query("Observation", None, PatientFilter("subject", "subject", (patient_id,)), (("_count", "2"),))


def walked(client: FhirClient) -> list[str]:
    """The ids of every patient's Observations, each patient walked by a thread of its own."""

    def ids(patient_id: str) -> list[str]:
        return [each["id"] for page in walk(client, of(patient_id)) for each in page.resources]

    with ThreadPoolExecutor(max_workers=len(PATIENTS)) as pool:
        return sorted(each for found in pool.map(ids, PATIENTS) for each in found)


EVERYTHING = sorted(f"{patient}-{number}" for patient in PATIENTS for number in range(3))


@pytest.mark.parametrize("concurrency", [1, 3])
def test_threads_share_a_client_and_no_more_requests_than_lanes_are_under_way(
    server: FaultServer, concurrency: int
) -> None:
    server.delay = 0.005
    with FhirClient(center(server.base_url, concurrency=concurrency), QUICK) as client:
        assert walked(client) == EVERYTHING
    assert server.open_most == concurrency


def test_every_429_halves_the_requests_under_way_and_one_stays(server: FaultServer) -> None:
    fault = server.add(Fault(lambda seen: seen.is_next, answering(429, Retry_After="0"), 2))
    with FhirClient(center(server.base_url, concurrency=8), QUICK) as client:
        assert walked(client) == EVERYTHING
        assert client.lanes.limit == 2
        client.lanes.narrow()
        client.lanes.narrow()
        assert client.lanes.limit == 1
    assert fault.fired == 2


def test_threads_that_meet_a_server_without_post_all_go_on_by_get(server: FaultServer) -> None:
    server.delay = 0.005
    fault = server.add(Fault(lambda seen: seen.method == "POST", answering(405), 99))
    with FhirClient(center(server.base_url, concurrency=8), QUICK) as client:
        assert walked(client) == EVERYTHING
    assert 1 <= fault.fired <= len(PATIENTS)


def test_when_a_server_is_found_down_nobody_waits_for_another_try(server: FaultServer) -> None:
    def asks_about(patient_id: str) -> Callable[[Seen], bool]:
        return lambda seen: seen.query.get("subject") == [f"Patient/{patient_id}"]

    busy = server.add(Fault(asks_about("p0"), answering(503), 99))
    broken = server.inject(asks_about("p1"), cut_after(0.5), 99)
    policy = replace(QUICK, backoff=60.0, max_wait=60.0, body_tries=1)
    started = time.monotonic()
    with FhirClient(center(server.base_url), policy) as client, ThreadPoolExecutor() as pool:
        waiting = pool.submit(lambda: list(walk(client, of("p0"))))
        while busy.fired == 0:
            time.sleep(0.01)
        with pytest.raises(UnreachableError, match="short 1 times"):
            list(walk(client, of("p1")))
        with pytest.raises(UnreachableError, match="short 1 times"):
            waiting.result()
    assert (busy.fired, broken.fired) == (1, 1)
    assert time.monotonic() - started < 10


def test_a_lane_is_given_back_when_its_request_fails() -> None:
    lanes = Lanes(1)
    with pytest.raises(RuntimeError), lanes.lane():
        raise RuntimeError
    taken = threading.Event()

    def take() -> None:
        with lanes.lane():
            taken.set()

    threading.Thread(target=take, daemon=True).start()
    assert taken.wait(5)


def budget(clock: Callable[[], float], policy: RetryPolicy = QUICK) -> Budget:
    told = center(BASE, max_requests=2, max_duration=dt.timedelta(minutes=3))
    return Budget(told, policy, clock)


def test_the_requests_of_a_run_are_bounded() -> None:
    spent = budget(lambda: 0.0)
    spent.spend()
    spent.spend()
    with pytest.raises(IncompleteError, match=r"2 requests.*center a.*max_requests_per_center"):
        spent.spend()


def test_the_time_of_a_run_is_bounded_and_no_wait_passes_its_end() -> None:
    now = [100.0]
    spent = budget(lambda: now[0])
    spent.reserve(179.0)
    with pytest.raises(IncompleteError, match=r"3 minutes.*max_minutes_per_center"):
        spent.reserve(181.0)
    now[0] = 281.0
    with pytest.raises(IncompleteError):
        spent.spend()


def test_retries_are_paid_by_answered_requests() -> None:
    account = budget(lambda: 0.0, replace(QUICK, tokens=2.0, refill=0.5))
    assert [account.may_retry() for _ in range(3)] == [True, True, False]
    account.answered()
    assert not account.may_retry()
    account.answered()
    assert account.may_retry()
    for _ in range(99):
        account.answered()
    assert [account.may_retry() for _ in range(3)] == [True, True, False]
