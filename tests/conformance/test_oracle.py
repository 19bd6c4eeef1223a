"""The compiler and the interpreter agree: on all cases, and on made-up resources for every shipped view."""

import json
import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mappings.compiler import compile_view
from mappings.schema import Element, type_info
from mappings.viewdef import NamedView, ViewDefinition, load_views, parse_view
from tests.conformance.harness import BASE_URL, Case, cases, cell
from tests.conformance.interpreter import Context, Item, ViewFails, rows

# The interpreter leaves out the boundaries and the types of columns, which are tested by value.
CASES = [
    case
    for case in cases(Path(__file__).parent / "cases")
    if case.suite not in ("boundary", "column_type") and "expect" in case.test
]
VIEWS = [
    (view, version)
    for view in load_views(Path(__file__).parents[2] / "mappings" / "views")
    for version in ([view.fhir_version] if view.fhir_version else ["R4", "R5"])
]
RESOURCES = 150
DATES = ["2024", "2024-05", "2024-05-01", "2024-05-01T10:00:00+02:00"]
VALUES: Mapping[str, list[Any]] = {
    "boolean": [True, False],
    "integer": [0, 1, 7],
    "decimal": [0, 1.5, 7, -2.25],
    "date": DATES,
    "dateTime": DATES,
    "instant": DATES,
}


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


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.suite}: {case.title}")
def test_both_agree_on_a_case(case: Case) -> None:
    view = parse_view(case.test["view"])
    both = [engine(view, case.fhir_version, case.resources) for engine in (interpreted, computed)]
    assert multiset(both[0]) == multiset(both[1])


@pytest.mark.parametrize(("named", "version"), VIEWS, ids=lambda value: getattr(value, "table", value))
def test_both_agree_on_made_up_resources(named: NamedView, version: str) -> None:
    maker = Maker(named, version)
    resources = [maker.resource(f"r{number}") for number in range(RESOURCES)]
    both = [engine(named.view, version, resources) for engine in (interpreted, computed)]
    assert multiset(both[0]) == multiset(both[1])
    assert [row for row in both[1] if isinstance(row, dict)], "no made-up resource gave a row"


class Maker:
    """Makes resources with what a view reads: its elements, URLs and codes, and references of each form."""

    def __init__(self, named: NamedView, version: str) -> None:
        self._random = random.Random(f"{named.path.name} {version}")  # noqa: S311 -- repeatable test data
        self._version = version
        self._type = named.view.resource
        text = named.path.read_text(encoding="utf-8")
        self._texts = ["a", "b", *re.findall(r"'([^']*)'", text), *re.findall(r'"value\w+": "([^"]*)"', text)]
        sql = compile_view(named.view, fhir_version=version).sql
        schema = re.search(r"json_transform\(body, '(.*?)'\) AS node", sql)
        assert schema is not None
        self._tree = json.loads(schema[1])

    def resource(self, resource_id: str) -> dict[str, Any]:
        made = self._object(self._type, self._tree)
        return {**made, "resourceType": self._type, "id": resource_id}

    def _object(self, type_name: str, tree: Mapping[str, Any]) -> dict[str, Any]:
        return {
            element.name: self._value(element, tree[element.name])
            for element in self._elements(type_name, tree)
            if self._random.random() < 0.85
        }

    def _elements(self, type_name: str, tree: Mapping[str, Any]) -> list[Element]:
        """The elements that are read; of a choice only one."""
        info = type_info(self._version, type_name)
        groups = [found.values() for found in info.choices.values()]
        choices = [[option for option in group if option.name in tree] for group in groups]
        chosen = [self._random.choice(options) for options in choices if options]
        companions = [element.companion for element in info.elements.values() if element.is_primitive]
        plain = [element for element in [*info.elements.values(), *companions] if element.name in tree]
        return [*plain, *chosen]

    def _value(self, element: Element, tree: Any) -> Any:
        if not element.is_list:
            return self._one(element.type, tree)
        count = self._random.choice([1, 1, 1, 2, 3])
        return [self._one(element.type, tree[0]) for _ in range(count)]

    def _one(self, type_name: str, tree: Any) -> Any:
        if isinstance(tree, dict):
            made = self._object(type_name, tree)
            if type_name == "Reference" and "reference" in made:
                made["reference"] = self._reference()
            return made
        if type_name[0].isupper():
            return {"id": "x"}
        return self._random.choice(VALUES.get(type_name, self._texts))

    def _reference(self) -> str:
        types = ["Patient", "Procedure", "Condition", "BodyStructure", "Group"]
        target = f"{self._random.choice(types)}/{self._random.choice('xyz')}"
        forms = [
            target,
            f"{target}/_history/1",
            f"{BASE_URL}/{target}",
            f"http://other.example/{target}",
            "#c",
        ]
        return self._random.choice(forms)
