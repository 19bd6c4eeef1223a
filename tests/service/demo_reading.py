"""What the tests of the demo read out of any resource."""

from collections.abc import Iterator
from typing import Any

from service.demo.fhir import Resource


def address(resource: Resource) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def references(value: Any) -> Iterator[str]:
    """Every literal reference inside a resource or a list of them."""
    if isinstance(value, dict):
        yield from ([value["reference"]] if isinstance(value.get("reference"), str) else [])
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)
