"""What the tests do to a server by themselves: read, write, delete and validate over HTTP."""

from collections.abc import Iterable, Sequence
from typing import Any

import requests

Resource = dict[str, Any]
JSON = {"Content-Type": "application/fhir+json", "Accept": "application/fhir+json"}
BUNDLE_SIZE = 200
ORDER = ("Patient", "Condition", "BodyStructure", "Procedure", "Observation", "AdverseEvent")
"""Written in this order nothing refers to what is not there yet: servers refuse such references."""


class FhirHttp:
    """One FHIR server as its owner uses it."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url

    def get(self, path: str, **headers: str) -> Resource:
        """The resource at a path below the base."""
        return self._json("GET", path, None, headers)

    def put(self, resource: Resource) -> Resource:
        """Store a resource under its own id."""
        return self._json("PUT", address(resource), resource, {})

    def delete(self, resources: Iterable[Resource]) -> None:
        """Delete resources, what refers to others first."""
        for resource in reversed(in_order(resources)):
            answer = requests.delete(f"{self.base_url}/{address(resource)}", timeout=120)
            assert answer.status_code in {200, 204}, (address(resource), answer.status_code)

    def load(self, resources: Iterable[Resource]) -> int:
        """Store resources by transactions, each under its own id; returns how many were created."""
        ordered, created = in_order(resources), 0
        for first in range(0, len(ordered), BUNDLE_SIZE):
            created += self._transaction(ordered[first : first + BUNDLE_SIZE])
        return created

    def errors(self, resource: Resource) -> list[str]:
        """What `$validate` says is wrong with a resource: diagnostics of issues that are errors."""
        outcome = self._json("POST", f"{resource['resourceType']}/$validate", resource, {})
        issues = outcome["issue"]
        assert outcome["resourceType"] == "OperationOutcome"
        assert issues
        return [each["diagnostics"] for each in issues if each["severity"] in {"fatal", "error"}]

    def _transaction(self, resources: Sequence[Resource]) -> int:
        entries = [
            {"resource": each, "request": {"method": "PUT", "url": address(each)}} for each in resources
        ]
        answer = self._json(
            "POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": entries}, {}
        )
        statuses = [entry["response"]["status"] for entry in answer["entry"]]
        return sum(status.startswith("201") for status in statuses)

    def _json(self, method: str, path: str, body: Resource | None, headers: dict[str, str]) -> Resource:
        answer = requests.request(
            method, f"{self.base_url}/{path}".rstrip("/"), json=body, headers=JSON | headers, timeout=300
        )
        assert answer.status_code in {200, 201}, (method, path, answer.status_code, answer.text[:500])
        found: Resource = answer.json()
        return found


def address(resource: Resource) -> str:
    """'Type/id' of a resource."""
    return f"{resource['resourceType']}/{resource['id']}"


def in_order(resources: Iterable[Resource]) -> list[Resource]:
    """Resources so that none refers to a later one."""
    return sorted(resources, key=lambda each: ORDER.index(each["resourceType"]))
