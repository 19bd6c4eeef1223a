"""Compiler and interpreter side by side: the rows of a view by each, in a form that can be compared."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from mappings.compiler import compile_view
from mappings.viewdef import ViewDefinition, load_views
from tests.conformance.harness import BASE_URL, cell
from tests.conformance.interpreter import Context, Item, ViewFails, rows

# Each shipped view with each FHIR version it reads.
VIEWS = [
    (view, version)
    for view in load_views(Path(__file__).parents[2] / "mappings" / "views")
    for version in ([view.fhir_version] if view.fhir_version else ["R4", "R5"])
]


def interpreted(view: ViewDefinition, version: str, resources: Sequence[Mapping[str, Any]]) -> list[Any]:
    constants = {}
    for constant in view.constant:
        fhir_type, value = constant.typed_value
        constants[constant.name] = Item(value, fhir_type)
    found: list[Any] = []
    for resource in resources:
        if resource["resourceType"] == view.resource:
            context = Context(version, "a", BASE_URL, Item(resource, view.resource), constants)
            try:
                found += rows(view, resource, context)
            except ViewFails:
                found.append(("rejected", resource["id"]))
    return found


def computed(view: ViewDefinition, version: str, resources: Sequence[Mapping[str, Any]]) -> list[Any]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            "CREATE TABLE resource"
            "(center_id TEXT, base_url TEXT, resource_type TEXT, resource_id TEXT, body TEXT)"
        )
        values = [["a", BASE_URL, made["resourceType"], made["id"], json.dumps(made)] for made in resources]
        connection.executemany("INSERT INTO resource VALUES (?, ?, ?, ?, ?)", values)
        compiled = compile_view(view, fhir_version=version)
        names = [column.name for column in compiled.columns]
        found = [dict(zip(names, row, strict=True)) for row in connection.execute(compiled.sql).fetchall()]
        rejected = connection.execute(compiled.rejects_sql).fetchall()
        return [*found, *(("rejected", row[1]) for row in rejected)]


def multiset(found: Sequence[Any]) -> Counter[str]:
    return Counter(json.dumps(_comparable(row), sort_keys=True) for row in found)


def _comparable(row: Any) -> Any:
    return {name: cell(value) for name, value in row.items()} if isinstance(row, dict) else row


def both(
    view: ViewDefinition, version: str, resources: Sequence[Mapping[str, Any]]
) -> tuple[Counter[str], Counter[str]]:
    """The rows, and the resources refused, by the interpreter and by the compiler."""
    return multiset(interpreted(view, version, resources)), multiset(computed(view, version, resources))
