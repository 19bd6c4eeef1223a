"""Codes that FHIR binds to a fixed list, binding strength `required`; the models let any code through.

The lists are those of the elements that the study keeps (resources/<type>.toml), read from the specification:
the models know some of them, and some only in part.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from ingest.center import FhirVersion
from ingest.resource_types import load_resource_types

Place = tuple[str | int, ...]
Bound = tuple[tuple[str, ...], frozenset[str]]  # an element's path, its codes


def wrong_codes(resource: Mapping[str, Any], fhir_version: FhirVersion) -> Iterator[Place]:
    """Where a code is not of the list that FHIR requires there; resources of other types have none."""
    name = resource.get("resourceType")
    if not isinstance(name, str):
        return
    for path, codes in _bound(fhir_version).get(name, ()):
        if path[0] in resource:
            yield from _outside(resource[path[0]], path[1:], codes, (name, path[0]))


@cache
def _bound(version: FhirVersion) -> Mapping[str, tuple[Bound, ...]]:
    return {
        each.name: tuple((tuple(path.split(".")), codes) for path, codes in each.required_codes)
        for each in load_resource_types(version)
    }


def _outside(value: object, path: tuple[str, ...], codes: frozenset[str], place: Place) -> Iterator[Place]:
    if isinstance(value, list):
        for index, each in enumerate(value):
            yield from _outside(each, path, codes, (*place, index))
    elif isinstance(value, dict):
        if path and path[0] in value:
            yield from _outside(value[path[0]], path[1:], codes, (*place, path[0]))
    elif isinstance(value, str) and not path and value not in codes:
        yield place
