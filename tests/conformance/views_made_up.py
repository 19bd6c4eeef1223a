"""Made-up ViewDefinitions: any element of a resource, in any part of a view, drawn from its types.

They hold what the interpreter knows too: columns and collections, nested selects, forEach, forEachOrNull,
unionAll, conditions, constants, %rowIndex and the functions; not boundaries and not repeat, which the cases
and the official suite cover.
"""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mappings.compiler_values import family
from mappings.schema import Element, type_info

RESOURCES = ("Patient", "Condition", "Procedure", "Observation", "AdverseEvent", "BodyStructure")
# Types that hold anything, themselves or everything: views of the study never go there.
CLOSED = {
    "Resource",
    "ResourceList",
    "Meta",
    "Narrative",
    "Extension",
    "Attachment",
    "xhtml",
    "base64Binary",
    "time",
}
DEEPEST = 3
CONSTANTS = [
    {"name": "text", "valueString": "a"},
    {"name": "number", "valueInteger": 1},
    {"name": "flag", "valueBoolean": True},
]
LITERALS = {"string": ["'a'", "%text"], "number": ["1", "%number"], "boolean": ["true", "%flag"]}


@dataclass(frozen=True)
class Way:
    """A FHIRPath, the type it gives, and whether it may give several values."""

    text: str
    type: str
    is_many: bool


class ViewMaker:
    """Makes views of one FHIR version from a source of randomness."""

    def __init__(self, version: str, source: random.Random) -> None:
        self._version = version
        self._random = source
        self._columns = 0

    def view(self) -> dict[str, Any]:
        """A whole ViewDefinition as JSON data."""
        resource = self._random.choice(RESOURCES)
        key = {"column": [{"name": "key", "path": "getResourceKey()"}]}
        selects = [self._select(resource, 0) for _ in range(self._random.randint(1, 2))]
        view: dict[str, Any] = {
            "resourceType": "ViewDefinition",
            "name": "made_up",
            "status": "active",
            "resource": resource,
            "constant": CONSTANTS,
            "select": [key, *selects],
        }
        if self._random.random() < 0.3:
            view["where"] = [{"path": self._criterion(resource)}]
        return view

    def _select(self, focus: str, depth: int) -> dict[str, Any]:
        kind = self._random.choice(["plain", "plain", "forEach", "forEachOrNull", "unionAll"])
        if depth == DEEPEST or kind == "plain":
            return {"column": self._own_columns(focus)}
        if kind == "unionAll":
            self._columns += 1
            return {"unionAll": [self._branch(focus, f"b{self._columns}") for _ in range(2)]}
        path = self._object_path(focus)
        if path is None:
            return {"column": self._own_columns(focus)}
        select = {kind: path.text, "column": self._own_columns(path.type)}
        if self._random.random() < 0.3:
            select["select"] = [self._select(path.type, depth + 1)]
        return select

    def _branch(self, focus: str, name: str) -> dict[str, Any]:
        """One branch of a union: always a text and a number under the same names."""
        texts = self._paths(focus, lambda found: family(found) == "string")
        column = [
            {"name": f"{name}_text", "path": self._pick(texts, "'a'"), "type": "string", "collection": True},
            {"name": f"{name}_index", "path": "%rowIndex", "type": "integer"},
        ]
        path = self._object_path(focus)
        if path is not None and self._random.random() < 0.6:
            inner = self._paths(path.type, lambda found: family(found) == "string")
            column[0]["path"] = self._pick(inner, "'b'")
            return {"forEach": path.text, "column": column}
        return {"column": column}

    def _own_columns(self, focus: str) -> list[dict[str, Any]]:
        return [self._column(focus) for _ in range(self._random.randint(1, 3))]

    def _column(self, focus: str) -> dict[str, Any]:
        self._columns += 1
        column: dict[str, Any] = {"name": f"c{self._columns}"}
        primitive = self._primitive(focus)
        form = self._random.choice(
            ["plain", "plain", "first", "collection", "exists", "count", "iif", "index"]
        )
        if primitive is None or form == "index":
            return column | {"path": "%rowIndex"}
        if form == "first" and primitive.is_many:
            return column | {"path": f"{primitive.text}.first()"}
        if form == "collection":
            return column | {"path": primitive.text, "collection": True}
        if form in ("exists", "count"):
            return column | {"path": f"{primitive.text}.{form}()"}
        if form == "iif":
            return column | {"path": f"iif({self._criterion(focus)}, 'yes', 'no')"}
        return column | {"path": primitive.text}

    def _criterion(self, focus: str) -> str:
        """A condition on the focus; comparisons keep to elements that occur once."""
        tests = []
        for _ in range(self._random.randint(1, 2)):
            path = self._primitive(focus)
            if path is None:
                return "true"
            literals = LITERALS.get(family(path.type))
            if path.is_many or literals is None or self._random.random() < 0.4:
                tests.append(f"{path.text}.{self._random.choice(['exists()', 'empty()', 'exists().not()'])}")
            else:
                tests.append(
                    f"{path.text} {self._random.choice(['=', '!='])} {self._random.choice(literals)}"
                )
        return self._random.choice([" and ", " or "]).join(tests)

    def _primitive(self, focus: str) -> Way | None:
        """A way from the focus to a value, one step or more, perhaps through where(), first() or ofType()."""
        path, is_many, kind = "", False, focus
        for _ in range(DEEPEST):
            step = self._step(kind)
            if step is None:
                return None
            path = f"{path}.{step.text}" if path else step.text
            is_many, kind = is_many or step.is_many, step.type
            if kind[0].islower():
                return Way(path, kind, is_many)
            path, is_many = self._narrowed(path, kind, is_many=is_many)
        return None

    def _narrowed(self, path: str, kind: str, *, is_many: bool) -> tuple[str, bool]:
        if not is_many or self._random.random() < 0.6:
            return path, is_many
        if self._random.random() < 0.5:
            return f"{path}.first()", False
        named = [
            name for name, element in type_info(self._version, kind).elements.items() if element.is_primitive
        ]
        name = self._random.choice([each for each in named if each not in ("id",)] or ["id"])
        return f"{path}.where({name}.exists())", is_many

    def _object_path(self, focus: str) -> Way | None:
        return self._step(focus, only=lambda element: not element.is_primitive)

    def _step(self, kind: str, only: Callable[[Element], bool] = lambda _: True) -> Way | None:
        """One element of a type, a choice with its type named."""
        info = type_info(self._version, kind)
        steps = [
            Way(name, element.type, element.is_list)
            for name, element in info.elements.items()
            if element.type not in CLOSED and only(element) and name not in ("contained", "resourceType")
        ]
        steps += [
            Way(f"{name}.ofType({found})", found, is_many=False)
            for name, options in info.choices.items()
            for found, element in options.items()
            if found not in CLOSED and only(element)
        ]
        return self._random.choice(steps) if steps else None

    def _paths(self, focus: str, wanted: Callable[[str], bool]) -> list[str]:
        elements = type_info(self._version, focus).elements
        return [n for n, e in elements.items() if e.is_primitive and e.type not in CLOSED and wanted(e.type)]

    def _pick(self, texts: list[str], otherwise: str) -> str:
        return self._random.choice(texts) if texts else otherwise


def written(view: dict[str, Any], folder: Path) -> Path:
    """The view as a file, where the maker of resources looks for its texts."""
    path = folder / "made_up.json"
    path.write_text(json.dumps(view), encoding="utf-8")
    return path
