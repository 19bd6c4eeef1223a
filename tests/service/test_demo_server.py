"""The demo server over HTTP: versions, pages that neither repeat nor lose, no leaks."""

import gzip
import json
import socket
import threading
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from demo_http import LOADED, STOCK, FakeClock, found, get, ids, observation, post, put
from fhir import resources as r5
from fhir.resources import R4B

from service.demo.pages import KEPT_SNAPSHOTS
from service.demo.server import DemoServer


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def server(clock: FakeClock) -> Iterator[DemoServer]:
    with DemoServer("R4", clock) as running:
        running.load(STOCK, LOADED)
        yield running


@pytest.mark.parametrize(("version", "models", "told"), [("R4", R4B, "4.0.1"), ("R5", r5, "5.0.0")])
def test_metadata_is_a_valid_statement_of_the_version(
    clock: FakeClock, version: str, models: Any, told: str
) -> None:
    with DemoServer(version, clock) as server:
        statement = get(f"{server.url}/metadata").json()
    models.get_fhir_model_class("CapabilityStatement").model_validate_json(json.dumps(statement))
    assert statement["fhirVersion"] == told


@pytest.mark.parametrize("count", [1, 7, 10, 25, 26, 1000])
@pytest.mark.parametrize("by_post", [False, True])
def test_pages_neither_repeat_nor_lose_while_the_store_changes(
    server: DemoServer, count: int, *, by_post: bool
) -> None:
    many = [observation(f"m{number}", ("urn:m", "m")) for number in range(25)]
    server.load(many, LOADED)
    bundle = get(f"{server.url}/Observation", {"code": "urn:m|m", "_count": str(count)}).json()
    walked, links = [bundle], 0
    while len(bundle["link"]) > 1:
        put(server, observation(f"later{links}", ("urn:m", "m")))
        requests.delete(f"{server.url}/Observation/m{24 - links % 25}", timeout=10)
        answer = (post if by_post else get)(bundle["link"][1]["url"], None)
        bundle = answer.json()
        walked.append(bundle)
        links += 1
    assert [key for page in walked for key in ids(page)] == [each["id"] for each in many]
    assert {page["total"] for page in walked} == {25}
    assert all(len(ids(page)) == count for page in walked[:-1])
    assert all([link["relation"] for link in page["link"]] == ["self", "next"] for page in walked[:-1])


def test_a_next_link_can_be_read_again_and_expires_at_last(server: DemoServer) -> None:
    link = get(f"{server.url}/Observation", {"_count": "1"}).json()["link"][1]["url"]
    assert get(link).json() == get(link).json()
    for _ in range(KEPT_SNAPSHOTS):
        get(f"{server.url}/Patient")
    assert get(link).status_code == 410
    assert get(f"{server.url}?_page=forged.1").status_code == 410


def test_an_empty_result_is_a_page_without_entries(server: DemoServer) -> None:
    page = get(f"{server.url}/Condition", {"code": "x"}).json()
    R4B.get_fhir_model_class("Bundle").model_validate_json(json.dumps(page))
    assert (page["total"], "entry" in page) == (0, False)


def test_count_zero_tells_only_the_total(server: DemoServer) -> None:
    page = get(f"{server.url}/Observation", {"_count": "0"}).json()
    assert (page["total"], ids(page), len(page["link"])) == (4, [], 1)


def test_writes_make_versions_with_the_servers_stamps(server: DemoServer, clock: FakeClock) -> None:
    first = put(server, observation("v", ("urn:v", "1"), meta={"versionId": "77", "profile": ["urn:p"]}))
    clock.now += timedelta(days=1)
    second = put(server, observation("v", ("urn:v", "2")))
    assert (first.status_code, second.status_code) == (201, 200)
    expected = {"versionId": "1", "lastUpdated": "2026-11-23T02:00:00.123Z", "profile": ["urn:p"]}
    assert first.json()["meta"] == expected
    assert second.json()["meta"] == {"versionId": "2", "lastUpdated": "2026-11-24T02:00:00.123Z"}
    read = get(f"{server.url}/Observation/v")
    assert (read.json(), read.headers["ETag"]) == (second.json(), 'W/"2"')
    assert second.headers["Location"].endswith("/Observation/v/_history/2")


def test_deleted_ids_are_gone_until_written_again(server: DemoServer) -> None:
    url = f"{server.url}/Observation/two"
    assert requests.delete(url, timeout=10).status_code == 204
    assert requests.delete(url, timeout=10).status_code == 204
    assert get(url).status_code == 410
    assert "two" not in found(server, "Observation")
    again = put(server, observation("two", ("urn:x", "B")))
    assert (again.status_code, again.json()["meta"]["versionId"]) == (201, "3")


def test_concurrent_writes_each_get_a_version(server: DemoServer) -> None:
    stamps: list[str] = []

    def write() -> None:
        stamps.extend(
            put(server, observation("c", ("urn:c", "1"))).json()["meta"]["versionId"] for _ in range(10)
        )

    writers = [threading.Thread(target=write) for _ in range(4)]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    assert sorted(map(int, stamps)) == list(range(1, 41))


def test_numbers_keep_their_text(server: DemoServer) -> None:
    body = '{"resourceType": "Observation", "id": "n", "valueQuantity": {"value": 7.10}}'
    requests.put(f"{server.url}/Observation/n", data=body, timeout=10)
    assert '"value": 7.10}' in get(f"{server.url}/Observation/n").text


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/Observation/none", None, 404),
        ("DELETE", "/Observation/none", None, 404),
        ("GET", "/Encounter", None, 404),
        ("GET", "/Observation/two/_history/1", None, 404),
        ("PUT", "/Observation", "{}", 405),
        ("POST", "/Observation/two", "{}", 405),
        ("PATCH", "/Observation/two", "{}", 501),
        ("PUT", "/Observation/two", "{", 400),
        ("PUT", "/Observation/two", "[]", 400),
        ("PUT", "/Observation/two", '{"resourceType": "Observation", "id": "other"}', 400),
        ("PUT", "/Observation/two", '{"resourceType": "Observation", "id": "two", "meta": 1}', 400),
        ("PUT", "/Observation/a%20b", '{"resourceType": "Observation", "id": "a%20b"}', 400),
    ],
)
def test_what_cannot_be_done_is_answered_with_an_outcome(
    server: DemoServer, method: str, path: str, body: str | None, status: int
) -> None:
    answer = requests.request(method, server.url + path, data=body, timeout=10)
    assert answer.status_code == status
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert answer.headers["Content-Type"].startswith("application/fhir+json")


def test_bodies_are_compressed_only_when_asked_for(server: DemoServer) -> None:
    url = f"{server.url}/Observation"
    with urllib.request.urlopen(url, timeout=10) as plain:  # noqa: S310  (our own loopback server)
        body = plain.read()
        assert plain.headers["Content-Encoding"] is None
    request = urllib.request.Request(url, headers={"Accept-Encoding": "gzip"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=10) as packed:  # noqa: S310
        assert packed.headers["Content-Encoding"] == "gzip"
        unpacked = json.loads(gzip.decompress(packed.read()))
    assert unpacked["total"] == json.loads(body)["total"] == 4


def test_the_date_header_follows_the_servers_clock(server: DemoServer, clock: FakeClock) -> None:
    clock.now = datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert get(f"{server.url}/metadata").headers["Date"] == "Mon, 03 Feb 2031 04:05:06 GMT"


def test_the_log_tells_requests_without_their_values(server: DemoServer) -> None:
    get(f"{server.url}/Observation", {"patient": "secret-1"})
    post(f"{server.url}/Observation/_search", {"patient": "secret-2"})
    get(f"{server.url}/Encounter", {"x": "secret-3"})
    assert server.log == (
        ("GET", "/fhir/Observation", 200),
        ("POST", "/fhir/Observation/_search", 200),
        ("GET", "/fhir/Encounter", 404),
    )


def test_a_defect_of_the_server_is_not_shown_to_clients(
    server: DemoServer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("inner secret")

    monkeypatch.setattr("service.demo.api.FhirApi.answer", fail)
    answer = get(f"{server.url}/Observation")
    assert answer.status_code == 500
    assert answer.json()["issue"][0]["diagnostics"] == "The server failed."
    server.__exit__(None, None, None)
    assert "inner secret" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ("NONSENSE", 400),
        ("GET /fhir/metadata HTTP/9.9\r\n", 505),
        ("POST /fhir/Observation/_search HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n", 411),
        ("PUT /fhir/Observation/x HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n", 411),
        ("PUT /fhir/Observation/x HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n", 413),
    ],
)
def test_requests_http_cannot_read_are_answered_with_an_outcome(
    server: DemoServer, lines: str, status: int
) -> None:
    port = urlsplit(server.url).port
    assert port is not None
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(f"{lines}\r\n".encode())
        with connection.makefile("rb") as reader:
            answer = reader.read().decode()
    assert server.log[-1][2] == status
    assert '"resourceType": "OperationOutcome"' in answer
    assert "NONSENSE" not in answer


def test_a_stopped_server_ends_open_connections(clock: FakeClock) -> None:
    with requests.Session() as session:
        with DemoServer("R4", clock) as server:
            assert session.get(f"{server.url}/metadata", timeout=10).status_code == 200
        with pytest.raises(requests.ConnectionError):
            session.get(f"{server.url}/metadata", timeout=10)
