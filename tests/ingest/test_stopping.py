"""A run that is asked to stop does not wait on: not for another try, a token, an export, a silent server."""

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.budget import RetryPolicy
from ingest.client import FhirClient
from ingest.smart import Patience, SmartTokens
from ingest.stopping import Stopping
from ingest.sync import CenterReport, SyncContext, sync_center
from mappings.errors import StoppedError
from tests.ingest import bulk_server
from tests.ingest.bulk_place import Place as BulkPlace
from tests.ingest.examples import CODE_MAP, center, chart
from tests.ingest.loopback import Answer, Fault, FhirServer, Seen, serving
from tests.ingest.smart_servers import Servers, answers, smart, smart_servers
from tests.ingest.test_sync import GATE, Audience
from warehouse.connection import Warehouse
from warehouse.land import coverage
from warehouse.runs import start_run

LATEST = 3.0  # seconds from the request to stop to the end; what would be waited for is far longer
LONG = 60.0
PATIENT = RetryPolicy(max_wait=LONG)


class Stop:
    """Asked for by a test in the middle of what a server does."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.asked_at = 0.0

    def ask(self) -> None:
        self.asked_at = time.monotonic()
        self.event.set()

    def ask_soon(self) -> None:
        threading.Timer(0.2, self.ask).start()

    def require_soon(self) -> None:
        assert self.event.is_set()
        assert time.monotonic() - self.asked_at < LATEST


@pytest.fixture
def stop() -> Stop:
    return Stop()


def busy(answer: Answer) -> Answer:
    return replace(answer, status=503, headers={**answer.headers, "Retry-After": "50"}, body=b"{}")


def silent(answer: Answer) -> Answer:
    time.sleep(LATEST + 2)
    return answer


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[FhirServer, Warehouse]]:
    resources = [resource for key in ("p1", "p2") for resource in chart(key)]
    with serving(FhirServer(resources)) as server, Warehouse.open(tmp_path / "warehouse") as warehouse:
        yield server, warehouse


def sync(server: FhirServer, warehouse: Warehouse, is_stopping: Callable[[], bool] = bool) -> CenterReport:
    now = server.clock + dt.timedelta(seconds=5)
    run_id = start_run(warehouse, kind="sync", now=now, version="0", config_fingerprint="x")
    context = SyncContext(run_id, CODE_MAP, lambda: now, Audience(), is_stopping, GATE)
    told = center(server.base_url, read_timeout=LONG)
    with FhirClient(told, PATIENT, is_stopping=is_stopping) as client:
        return sync_center(told, client, warehouse, context)


@pytest.mark.parametrize("change", [busy, silent])
def test_a_sync_that_waits_for_a_server_stops_at_once_and_the_next_one_goes_on(
    place: tuple[FhirServer, Warehouse], stop: Stop, change: Callable[[Answer], Answer]
) -> None:
    server, warehouse = place

    def is_late(seen: Seen) -> bool:
        if seen.resource_type != "Observation":
            return False
        stop.ask_soon()
        return True

    fault = server.add(Fault(is_late, change))
    report = sync(server, warehouse, stop.event.is_set)
    stop.require_soon()
    assert fault.fired == 1
    assert report.status == "incomplete"
    assert isinstance(report.error, StoppedError)
    assert "Observation" not in report.counts or report.counts["Observation"].landed == 0
    assert coverage(warehouse, "a", "Observation") == {}
    assert sync(server, warehouse).status == "complete"
    heads = warehouse.rows("SELECT resource_id FROM ops.head")
    assert {row["resource_id"] for row in heads} == {
        each["id"] for key in ("p1", "p2") for each in chart(key)
    }


def test_nothing_is_sent_any_more(place: tuple[FhirServer, Warehouse]) -> None:
    server, warehouse = place
    assert sync(server, warehouse, lambda: True).status == "incomplete"
    assert server.seen == []


@pytest.fixture
def servers() -> Iterator[Servers]:
    with smart_servers() as found:
        yield found


def asking(servers: Servers, stop: Stop) -> SmartTokens:
    stopping = Stopping("a", stop.event.is_set)
    told = center(servers.fhir.base_url, read_timeout=LONG)
    return SmartTokens(told, smart(), servers.clock, Patience(3, LONG, LONG), stopping)


@pytest.mark.parametrize("is_silent", [False, True], ids=["busy", "silent"])
def test_a_token_is_not_waited_for(servers: Servers, stop: Stop, is_silent: bool) -> None:
    with ExitStack() as ended:
        tokens = asking(servers, stop)
        ended.callback(tokens.close)
        if is_silent:
            servers.tokens.change = silent
        else:
            answers(servers, *[503] * 9, Retry_After="50")
        stop.ask_soon()
        with pytest.raises(StoppedError, match="asked to stop"):
            tokens.header()
    stop.require_soon()
    assert len(servers.tokens.seen) == 1


def later(_: bulk_server.Answer) -> bulk_server.Answer:
    return bulk_server.Answer(202, headers={"Retry-After": "50"})


def silent_about_exports(answer: bulk_server.Answer) -> bulk_server.Answer:
    time.sleep(LATEST + 2)
    return answer


@pytest.mark.parametrize("change", [later, silent_about_exports])
def test_an_export_is_not_waited_for_and_the_next_run_takes_it_up(
    tmp_path: Path, stop: Stop, change: Callable[[bulk_server.Answer], bulk_server.Answer]
) -> None:
    with (
        bulk_server.serving(bulk_server.BulkServer(chart("p1"))) as server,
        Warehouse.open(tmp_path / "w") as warehouse,
    ):
        place = BulkPlace(server, warehouse, is_stopping=stop.event.is_set)
        server.add(bulk_server.Fault(lambda asked: asked.kind == "status", change, 99))
        stop.ask_soon()
        report = place.sync()
        stop.require_soon()
        assert isinstance(report.error, StoppedError)
        assert len(place.noted()) == 1


def test_the_answer_to_a_kick_off_is_heard_out_so_that_the_export_is_not_lost(
    tmp_path: Path, stop: Stop
) -> None:
    def slow(answer: bulk_server.Answer) -> bulk_server.Answer:
        stop.ask()
        time.sleep(1.5)
        return answer

    with (
        bulk_server.serving(bulk_server.BulkServer(chart("p1"))) as server,
        Warehouse.open(tmp_path / "w") as warehouse,
    ):
        place = BulkPlace(server, warehouse, is_stopping=stop.event.is_set)
        server.add(bulk_server.Fault(lambda asked: asked.kind == "kick-off", slow))
        assert isinstance(place.sync().error, StoppedError)
        assert len(place.noted()) == 1
