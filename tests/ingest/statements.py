"""A CapabilityStatement that offers what we ask, and changes to it."""

from collections.abc import Collection, Mapping
from typing import Any

TYPES = ("AdverseEvent", "BodyStructure", "Condition", "Observation", "Patient", "Procedure", "Group")
PARAMETERS = ("code", "subject", "patient", "_id", "_lastUpdated")


def statement(
    *,
    without: Collection[str] = (),
    interactions: Mapping[str, list[str]] | None = None,
    parameters: Mapping[str, list[str]] | None = None,
    operations: Mapping[str, list[Any]] | None = None,
    rest: Mapping[str, Any] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """The statement without some types, or with other interactions, parameters, operations, elements."""
    resources = [
        {
            "type": each,
            "interaction": [
                {"code": code} for code in (interactions or {}).get(each, ["read", "search-type"])
            ],
            "searchParam": [{"name": name} for name in (parameters or {}).get(each, PARAMETERS)],
            "operation": (operations or {}).get(each, []),
        }
        for each in TYPES
        if each not in without
    ]
    return {
        "resourceType": "CapabilityStatement",
        "fhirVersion": "4.0.1",
        "software": {"name": "Example", "version": "1.2"},
        "format": ["application/fhir+json"],
        "rest": [{"mode": "server", "resource": resources, **(rest or {})}],
        **changes,
    }
