"""A small stock of resources for the demo server's tests, and how they speak HTTP with it."""

import json
from datetime import UTC, datetime
from typing import Any

import requests

from service.demo.server import DemoServer

LOADED = datetime(2026, 11, 1, 6, 0, tzinfo=UTC)
STRICT = {"Prefer": "handling=strict"}
FORM = "application/x-www-form-urlencoded"


class FakeClock:
    """A clock that stands still until told otherwise."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, 2, 0, 0, 123000, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def observation(
    key: str, *codings: tuple[str | None, str], patient: str = "1", **more: Any
) -> dict[str, Any]:
    listed = [({"system": system} if system else {}) | {"code": code} for system, code in codings]
    subject = {"reference": f"Patient/{patient}"}
    return {"resourceType": "Observation", "id": key, "code": {"coding": listed}, "subject": subject} | more


STOCK: list[dict[str, Any]] = [
    observation("pain", ("http://loinc.org", "72514-3"), status="final", effectiveDateTime="2020-03-10"),
    observation("two", ("urn:x", "A,1"), ("http://loinc.org", "72514-3"), patient="2", status="amended"),
    observation("local", ("urn:x", "p|q"), effectiveDateTime="2020-03-10T23:30:00-05:00", status="final"),
    observation("bare", (None, "72514-3"), patient="3", effectivePeriod={"start": "2021-01-01"}),
    {"resourceType": "Procedure", "id": "p", "performedPeriod": {"start": "2020-03-09", "end": "2020-03-12"}},
    {"resourceType": "AdverseEvent", "id": "ae", "subject": {"reference": "Patient/1"}, "date": "2020-03"},
    {"resourceType": "BodyStructure", "id": "bs", "patient": {"reference": "Patient/1"}},
    {
        "resourceType": "Patient",
        "id": "1",
        "gender": "female",
        "deceasedBoolean": True,
        "name": [{"family": "Zz"}],
    },
]


def get(url: str, parameters: Any = None, **headers: str) -> requests.Response:
    return requests.get(url, parameters, headers=headers, timeout=10)


def post(url: str, form: Any, **headers: str) -> requests.Response:
    return requests.post(url, data=form, headers=headers, timeout=10)


def put(server: DemoServer, resource: dict[str, Any]) -> requests.Response:
    url = f"{server.url}/{resource['resourceType']}/{resource['id']}"
    return requests.put(url, data=json.dumps(resource), timeout=10)


def ids(bundle: dict[str, Any]) -> list[str]:
    return [each["resource"]["id"] for each in bundle.get("entry", [])]


def found(server: DemoServer, resource_type: str, **parameters: str) -> set[str]:
    answer = get(f"{server.url}/{resource_type}", parameters, **STRICT)
    assert answer.status_code == 200
    return set(ids(answer.json()))
