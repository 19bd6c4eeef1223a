"""What is surely valid is valid for fhir.resources: compared on real resources broken in every way."""

import dataclasses
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

import orjson
import pytest
from fhir_core import types as judge_types
from pydantic import TypeAdapter

from ingest import structure
from ingest.center import FhirVersion
from ingest.decode import MAX_DEPTH
from ingest.gate import examine
from ingest.primitives import PRIMITIVES
from mappings.schema import Element, TypeInfo
from tests.ingest.broken import LEAVES, Breaker
from tests.ingest.examples import Resource, chart
from tests.ingest.real_resources import PACKAGES, demo_resources, hl7_examples

CASES = 20_000  # of each corpus
LARGEST = 4_000  # bytes: beyond them there is more of the same
CORPORA: dict[str, FhirVersion] = {
    **{name: version for name, (version, _, _) in PACKAGES.items()},
    "demo R4": "R4",
    "demo R5": "R5",
}
# Of each primitive type: data has few of some.
SAMPLES: dict[str, Any] = {
    "base64Binary": "YWJj", "boolean": True, "canonical": "urn:x|1", "code": "a b", "date": "2025-04-30",
    "dateTime": "2025-04-30T10:00:00+02:00", "decimal": Decimal("7.10"), "id": "a.b-C",
    "instant": "2025-04-30T10:00:00Z", "integer": -7, "markdown": "*x*", "oid": "urn:oid:1.2.3",
    "positiveInt": 1, "string": "x y", "time": "10:00:00", "unsignedInt": 0, "uri": "urn:x", "url": "http://example.org",
    "uuid": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
}  # fmt: skip
HOLDERS: dict[str, Resource] = {
    name: {
        "resourceType": "Basic",
        "id": "b",
        "code": {"text": "x"},
        "extension": [{"url": "urn:x", f"value{name[0].upper()}{name[1:]}": value}],
    }
    for name, value in SAMPLES.items()
}


@pytest.fixture(scope="module", params=CORPORA)
def corpus(request: pytest.FixtureRequest) -> tuple[str, FhirVersion, list[Resource]]:
    name, version = request.param, CORPORA[request.param]
    if name not in PACKAGES:
        return name, version, [*demo_resources(version), *HOLDERS.values()]
    assert request.config.cache is not None
    return name, version, hl7_examples(name, request.config.cache.mkdir("fhir-examples"))


def wrongly_sure(resources: Sequence[Resource], version: FhirVersion, cases: int) -> Iterator[Resource]:
    """The broken resources that are surely valid and that the judge refuses."""
    for resource in itertools.islice(Breaker(resources, seed=1).broken(), cases):
        if structure.is_surely_valid(resource, version) and examine(resource, version):
            yield resource


def test_what_is_sure_of_broken_resources_the_judge_accepts(
    corpus: tuple[str, FhirVersion, list[Resource]],
) -> None:
    _, version, resources = corpus
    small = [each for each in resources if len(orjson.dumps(each, default=str)) < LARGEST]
    sure, types = 0, set()
    for resource in itertools.islice(Breaker(small, seed=1).broken(), CASES):
        if structure.is_surely_valid(resource, version):
            sure += 1
            types.add(resource["resourceType"])
            assert examine(resource, version) == []
    assert sure > CASES / 5
    assert len(types) >= 6


def test_hardly_any_real_resource_is_left_to_the_judge(
    corpus: tuple[str, FhirVersion, list[Resource]],
) -> None:
    _, version, resources = corpus
    unsure = [each for each in resources if not structure.is_surely_valid(each, version)]
    valid_but_unsure = [each for each in unsure if examine(each, version) == []]
    assert len(valid_but_unsure) <= len(resources) / 200


def test_a_resource_as_deep_as_a_server_may_send_is_sure_and_valid() -> None:
    extension: Resource = {"url": "urn:x", "valueCode": "x"}
    for _ in range(MAX_DEPTH // 2 - 2):
        extension = {"url": "urn:x", "extension": [extension]}
    resource = chart("p1")[0] | {"extension": [extension]}
    assert structure.is_surely_valid(resource, "R4")
    assert examine(resource, "R4") == []


@pytest.mark.parametrize("name", PRIMITIVES)
def test_a_sure_primitive_is_one_for_the_judge(name: str) -> None:
    judge = TypeAdapter(getattr(judge_types, f"{name[0].upper()}{name[1:]}Type"))
    sure = []
    for value in itertools.chain.from_iterable(LEAVES):
        try:
            is_sure = PRIMITIVES[name](value)
        except TypeError:
            continue
        if is_sure:
            sure.append(value)
            judge.validate_python(value)
    assert sure
    assert len(sure) < sum(map(len, LEAVES))


Patch = pytest.MonkeyPatch
Mutant = Callable[[Patch], None]


def of_types(change: Callable[[TypeInfo], TypeInfo]) -> Mutant:
    """A checker that knows something else about every type."""
    sound = structure.type_info
    return lambda patch: patch.setattr(structure, "type_info", lambda *asked: change(sound(*asked)))


def without_choices(info: TypeInfo) -> TypeInfo:
    each = {one.name: one for options in info.choices.values() for one in options.values()}
    return dataclasses.replace(info, elements={**info.elements, **each}, choices={})


def with_companions(info: TypeInfo) -> TypeInfo:
    names = [each.companion.name for each in info.elements.values()]
    return dataclasses.replace(info, companions=frozenset(names))


def of_elements(change: Callable[[Element, Any], Any]) -> Mutant:
    """A checker that tests the values of an element in another way."""
    sound = structure._value_test
    return lambda patch: patch.setattr(
        structure, "_value_test", lambda version, element: change(element, sound(version, element))
    )


def with_primitive(name: str, test: Callable[[Any], Any]) -> Mutant:
    return lambda patch: patch.setattr(structure, "PRIMITIVES", {**PRIMITIVES, name: test})


def without_id(patch: Patch) -> None:
    sound = structure.is_surely_valid
    patch.setattr(structure, "is_surely_valid", lambda held, version: sound({"id": "x"} | held, version))


def one_or_many(test: Callable[[Any], Any]) -> Callable[[Any], bool]:
    return lambda held: all(map(test, held if type(held) is list else [held]))


def text_or_number(value: object) -> bool:
    return isinstance(value, str | int | Decimal)


def matching(pattern: str) -> Callable[[Any], Any]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value)


MUTANTS: dict[str, Mutant] = {
    "nothing is required": of_types(lambda info: dataclasses.replace(info, required=frozenset())),
    "choices are elements like others": of_types(without_choices),
    "every primitive has a companion": of_types(with_companions),
    "unknown elements": lambda patch: patch.setattr(structure, "_never", lambda _: True),
    "a list may be a value": lambda patch: patch.setattr(structure, "_list_test", one_or_many),
    "a value may be a list": of_elements(lambda _, test: one_or_many(test)),
    "contained resources of any type": of_elements(
        lambda element, test: (lambda held: type(held) is dict) if element.type == "Resource" else test
    ),
    "objects of any kind": of_elements(
        lambda element, test: test if element.is_primitive else (lambda held: type(held) is dict)
    ),
    "an id is no must": without_id,
    "a list of codes is none": lambda patch: patch.setattr(structure, "wrong_codes", lambda *_: ()),
    **{f"{name}: any": with_primitive(name, text_or_number) for name in SAMPLES},
    "date: any day": with_primitive("date", matching(r"\d{4}-\d\d-\d\d")),
    "dateTime: no zone": with_primitive("dateTime", matching(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d)?")),
    "instant: a day": with_primitive("instant", PRIMITIVES["dateTime"]),
    "integer: any": with_primitive("integer", lambda value: type(value) is int),
    "positiveInt: zero": with_primitive("positiveInt", PRIMITIVES["unsignedInt"]),
    "unsignedInt: negative": with_primitive("unsignedInt", PRIMITIVES["integer"]),
    "decimal: any": with_primitive("decimal", lambda value: type(value) in (int, Decimal)),
    "string: control characters": with_primitive("string", lambda value: type(value) is str and value),
    "code: text": with_primitive("code", PRIMITIVES["string"]),
    "boolean: a number": with_primitive("boolean", lambda value: isinstance(value, int)),
    "id: longer": with_primitive("id", matching(r"[A-Za-z0-9.-]{1,300}")),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_a_checker_without_one_of_its_rules_is_caught(name: str, monkeypatch: Patch) -> None:
    kind = name.partition(":")[0]
    resources = [HOLDERS[kind]] if kind in HOLDERS else chart("p1")
    caches = (structure._resource_test, structure._object_test)
    try:
        for each in caches:
            each.cache_clear()
        MUTANTS[name](monkeypatch)
        assert next(wrongly_sure(resources, "R4", CASES), None) is not None
    finally:
        monkeypatch.undo()
        for each in caches:
            each.cache_clear()
