"""Canaries: texts that must never leave, planted in every element of a resource that takes a text.

Elements come from the models of the gate, so that none is forgotten; what would make a resource invalid is
taken out again.
"""

import itertools
from typing import Any

from ingest.center import FhirVersion
from ingest.gate import judge
from mappings.schema import TypeInfo, type_info
from tests.properties.made_resources import Resource

CANARY = "CANARY"
_DEEPEST = 3
_TEXTS = {"string", "markdown"}
_ADDRESSES = {"uri", "url", "canonical", "oid", "uuid"}
# A modifier may change what everything else means, so it is no place for a text; contained takes resources.
_LEFT_OUT = {
    "resourceType",
    "id",
    "modifierExtension",
    "implicitRules",
    "contained",
    "extension",
    "fhir_comments",
}

_numbers = itertools.count(1)


def canary(where: str) -> str:
    """A text of its own."""
    return f"{CANARY}-{where}-{next(_numbers)}"


def planted(resource: Resource, version: FhirVersion) -> Resource:
    """The resource with a canary in every element that takes one and leaves it valid."""
    info = type_info(version, resource["resourceType"])
    found = dict(resource)
    for name, value in _candidates(info, version, 0):
        if name in found:
            continue
        tried = found | {name: value}
        if not judge(tried, version):
            found = tried
    return found | {"extension": [*found.get("extension", []), *_extensions()]}


def _candidates(info: TypeInfo, version: FhirVersion, depth: int) -> list[tuple[str, Any]]:
    found = []
    for element in info.elements.values():
        if element.name in _LEFT_OUT:
            continue
        value = _value(element.type, element.name, version, depth)
        if value is not None:
            found.append((element.name, [value] if element.is_list else value))
    return found


def _value(kind: str, name: str, version: FhirVersion, depth: int) -> Any:
    special = {
        "xhtml": f'<div xmlns="http://www.w3.org/1999/xhtml">{canary(name)}</div>',
        "Narrative": {
            "status": "generated",
            "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{canary(name)}</div>',
        },
        "Identifier": {"system": f"urn:{canary('system')}", "value": canary("identifier")},
        "Reference": {"display": canary(name), "identifier": {"value": canary(name)}},
    }
    if kind in special:
        return special[kind]
    if kind in _TEXTS | _ADDRESSES:
        return canary(name) if kind in _TEXTS else f"urn:{canary(name)}"
    if kind[0].islower() or depth >= _DEEPEST:
        return None
    return dict(_candidates(type_info(version, kind), version, depth + 1)) or None


def _extensions() -> list[Resource]:
    return [{"url": f"urn:{canary('extension')}", "valueString": canary("extension")}]


def canaries_in(text: str) -> list[str]:
    """Where a canary is told, with what stands around it."""
    upper, found, start = text.upper(), [], 0
    while (at := upper.find(CANARY, start)) >= 0:
        found.append(text[max(0, at - 60) : at + 60])
        start = at + len(CANARY)
    return found
