"""Made-up resources: what a view reads of a resource, filled at random from what its text names."""

import json
import random
import re
from collections.abc import Mapping
from typing import Any

from mappings.compiler import compile_view
from mappings.schema import Element, type_info
from mappings.viewdef import NamedView
from tests.conformance.harness import BASE_URL

DATES = ["2024", "2024-05", "2024-05-01", "2024-05-01T10:00:00+02:00"]
VALUES: Mapping[str, list[Any]] = {
    "boolean": [True, False],
    "integer": [0, 1, 7],
    "integer64": [0, 1, 7],
    "positiveInt": [1, 7],
    "unsignedInt": [0, 1, 7],
    "decimal": [0, 1.5, 7, -2.25],
    "date": DATES,
    "dateTime": DATES,
    "instant": DATES,
}


class Maker:
    """Makes resources with what a view reads: its elements, URLs and codes, and references of each form."""

    def __init__(self, named: NamedView, version: str, source: random.Random) -> None:
        self._random = source
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
