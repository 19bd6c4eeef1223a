"""The demo servers' Bulk Data export over HTTP: asynchronous, complete, filtered, forgotten in time."""

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from service.demo.export import KEPT, LINES_A_FILE
from service.demo.server import DemoServer, demo_servers

ASYNC = {"Prefer": "respond-async"}
NOW = dt.datetime(2026, 3, 1, 12, 0, tzinfo=dt.UTC)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> dt.datetime:
        return self.now


def patient(key: str) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": key}


def score(key: str, patient_id: str, code: str = "72514-3") -> dict[str, Any]:
    coding = {"system": "http://loinc.org", "code": code}
    subject = {"reference": f"Patient/{patient_id}"}
    told = {"resourceType": "Observation", "id": key, "status": "final"}
    return {**told, "code": {"coding": [coding]}, "subject": subject}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(clock: Clock) -> Iterator[DemoServer]:
    with DemoServer("R4", clock) as running:
        running.load([patient("p1"), patient("p2"), score("o1", "p1"), score("o2", "p2", "x")], NOW)
        running.load([score("lost", "nobody")], NOW)
        yield running


def kick_off(server: DemoServer, operation: str = "Patient/$export", **options: Any) -> requests.Response:
    method = "POST" if "json" in options else "GET"
    return requests.request(method, f"{server.url}/{operation}", headers=ASYNC, timeout=30, **options)


def manifest_of(accepted: requests.Response) -> dict[str, Any]:
    assert accepted.status_code == 202
    url = accepted.headers["Content-Location"]
    first = requests.get(url, timeout=30)
    assert (first.status_code, first.headers["Retry-After"]) == (202, "1")
    found: dict[str, Any] = requests.get(url, timeout=30).json()
    return found


def resources_of(manifest: dict[str, Any], kind: str = "output") -> list[dict[str, Any]]:
    found = []
    for file in manifest[kind]:
        answer = requests.get(file["url"], timeout=30)
        assert answer.headers["Content-Type"] == "application/fhir+ndjson"
        lines = answer.content.splitlines()
        assert len(lines) == file["count"]
        found += [json.loads(line) for line in lines]
    return found


def ids(manifest: dict[str, Any]) -> set[str]:
    return {each["id"] for each in resources_of(manifest)}


def test_an_export_holds_everything_of_patients_that_are_here(server: DemoServer) -> None:
    manifest = manifest_of(kick_off(server))
    assert manifest["transactionTime"] == "2026-03-01T12:00:00.000Z"
    assert ids(manifest) == {"p1", "p2", "o1", "o2"}
    assert ids(manifest_of(kick_off(server, "Group/all/$export"))) == {"p1", "p2", "o1", "o2"}


def test_types_since_filters_and_patients_narrow_it(server: DemoServer, clock: Clock) -> None:
    assert ids(manifest_of(kick_off(server, params={"_type": "Patient"}))) == {"p1", "p2"}
    clock.now += dt.timedelta(hours=1)
    server.load([score("o3", "p1")], clock.now)
    since = {"_since": "2026-03-01T12:30:00Z"}
    assert ids(manifest_of(kick_off(server, params=since))) == {"o3"}
    typed = {"_type": "Observation", "_typeFilter": "Observation?code=http://loinc.org|x"}
    assert ids(manifest_of(kick_off(server, params=typed))) == {"o2"}
    named = {"name": "patient", "valueReference": {"reference": "Patient/p2"}}
    body = {"resourceType": "Parameters", "parameter": [named]}
    assert ids(manifest_of(kick_off(server, json=body))) == {"p2", "o2"}


def test_deletions_since_are_listed_unless_the_resource_came_back(server: DemoServer, clock: Clock) -> None:
    clock.now += dt.timedelta(hours=1)
    for key in ("o1", "o2"):
        assert requests.delete(f"{server.url}/Observation/{key}", timeout=30).status_code == 204
    server.load([score("o2", "p2")], clock.now)
    manifest = manifest_of(kick_off(server, params={"_since": "2026-03-01T12:30:00Z"}))
    (bundle,) = resources_of(manifest, "deleted")
    assert bundle["type"] == "transaction"
    assert bundle["entry"] == [{"request": {"method": "DELETE", "url": "Observation/o1"}}]
    assert manifest_of(kick_off(server))["deleted"] == []


def test_a_type_with_many_resources_comes_in_several_files(server: DemoServer) -> None:
    server.load([score(f"m{number}", "p1") for number in range(LINES_A_FILE)], NOW)
    manifest = manifest_of(kick_off(server, params={"_type": "Observation"}))
    assert [file["count"] for file in manifest["output"]] == [LINES_A_FILE, 2]


def test_an_export_is_forgotten_after_two_hours_or_when_deleted(server: DemoServer, clock: Clock) -> None:
    for forget in ("time", "delete"):
        accepted = kick_off(server)
        url = accepted.headers["Content-Location"]
        file = manifest_of(accepted)["output"][0]["url"]
        if forget == "delete":
            assert requests.delete(url, timeout=30).status_code == 202
        clock.now += dt.timedelta(seconds=1) if forget == "delete" else KEPT + dt.timedelta(seconds=1)
        assert requests.get(url, timeout=30).status_code == 404
        assert requests.get(file, timeout=30).status_code == 404
        assert requests.delete(url, timeout=30).status_code == 404


@pytest.mark.parametrize(
    "params",
    [
        {"_bogus": "1"},
        {"_type": "Encounter"},
        {"_since": "yesterday"},
        {"_outputFormat": "text/csv"},
        {"_typeFilter": "Encounter?x=1"},
        {"_typeFilter": "Observation?bogus=1"},
    ],
)
def test_what_is_not_understood_is_refused(server: DemoServer, params: dict[str, str]) -> None:
    assert kick_off(server, params=params).status_code == 400


def test_an_export_is_asynchronous_and_of_what_there_is(server: DemoServer) -> None:
    assert requests.get(f"{server.url}/Patient/$export", timeout=30).status_code == 400
    assert kick_off(server, "Group/other/$export").status_code == 404
    assert kick_off(server, "Observation/$export").status_code == 404
    assert kick_off(server, json={"resourceType": "Patient"}).status_code == 400
    assert requests.get(f"{server.url}/$export-file/x/output.0", timeout=30).status_code == 404


def test_the_demo_centers_export_their_repeats_and_warnings() -> None:
    with demo_servers(lambda: NOW) as servers:
        manifest = manifest_of(kick_off(servers.b))
        keys = Counter((each["resourceType"], each.get("id")) for each in resources_of(manifest))
        errors = resources_of(manifest, "error")
    assert {issue["severity"] for each in errors for issue in each["issue"]} <= {"warning", "information"}
    assert errors
    assert max(keys.values()) == 2
