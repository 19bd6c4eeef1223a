"""What is surely valid: a resource whose every element is plainly what its type has.

fhir.resources is the gate's judge, but most resources are ordinary. Here they are told from the others by
what `mappings.schema` reads from the judge's own models: which elements a type has, of which types, which
repeat, which are required, which are choices. Whatever is sure here is valid there (the tests compare the two
on real resources broken in every way); what is not sure here is no verdict at all and goes to the judge: a
null, an empty list or object, a comment, a primitive that is required and has an extension only.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import orjson

from ingest.center import FhirVersion
from ingest.primitives import PRIMITIVES, Test
from ingest.required_codes import wrong_codes
from mappings.schema import Element, TypeInfo, is_resource_type, type_info

# Of these types a server sends the same few values again and again.
_REPEATED = frozenset({"CodeableConcept", "Quantity", "Narrative"})
_MOST_REMEMBERED = 1_000
_LONGEST_REMEMBERED = 2_000  # bytes


def is_surely_valid(resource: Mapping[str, Any], fhir_version: FhirVersion) -> bool:
    """Whether a resource as received has an id, all the structure of its type, and no code out of a list.

    False says nothing. The values are those of `decode_object`, which bounds their depth.
    """
    if "id" not in resource:
        return False
    try:
        return bool(_resource_test(fhir_version)(resource)) and not any(wrong_codes(resource, fhir_version))
    except TypeError:
        return False  # a pattern was asked about a value that is no text


@cache
def _resource_test(version: FhirVersion) -> Test:
    tests: dict[str, Test] = {}

    def is_resource(held: object) -> object:
        name = held.get("resourceType") if type(held) is dict else None
        if type(name) is not str:
            return False
        test = tests.get(name)
        if test is None:
            if not is_resource_type(version, name):
                return False  # and not kept: a server could send any number of them
            test = tests[name] = _object_test(version, name)
        return test(held)

    return is_resource


@cache
def _object_test(version: FhirVersion, type_name: str) -> Test:
    info = type_info(version, type_name)
    tests = _Elements(version, info)
    needed = tuple(name for name in info.required if name in info.elements)
    choices = tuple(
        (frozenset(each.name for each in options.values()), name in info.required)
        for name, options in info.choices.items()
    )

    def is_object(held: object) -> bool:
        if type(held) is not dict or not held:
            return False
        for name, child in held.items():
            if not tests[name](child):
                return False
        for name in needed:
            if name not in held:
                return False
        for options, is_needed in choices:
            told = len(options & held.keys())
            if told > 1 or (is_needed and told == 0):
                return False
        return True

    return is_object


class _Elements(dict[str, Test]):
    """The test of each JSON property of a type, made when it is first met: few of them ever are."""

    def __init__(self, version: FhirVersion, info: TypeInfo) -> None:
        super().__init__()
        self._version = version
        self._info = info
        told = [
            *info.elements.values(),
            *(each for options in info.choices.values() for each in options.values()),
        ]
        companions = [each.companion for each in told if each.companion.name in info.companions]
        self._told = {each.name: each for each in (*told, *companions)}

    def __missing__(self, name: str) -> Test:
        test = self._test(name)
        if test is None:
            return _never  # and not kept: a server could send any number of unknown names
        self[name] = test
        return test

    def _test(self, name: str) -> Test | None:
        if name == "resourceType" and self._info.is_resource:
            return self._info.name.__eq__
        element = self._told.get(name)
        if element is None:
            return None
        test = _value_test(self._version, element)
        return _list_test(test) if element.is_list else test


def _value_test(version: FhirVersion, element: Element) -> Test:
    if element.is_primitive:
        return PRIMITIVES.get(element.type, _never)
    if element.type == "Resource":
        return _resource_test(version)
    test = _object_test(version, element.type)
    return _remembering(test) if element.type in _REPEATED else test


def _remembering(test: Test) -> Test:
    """The test, asked once for each value that it finds right; values are known by their JSON text.

    What orjson cannot write it does not remember (Decimals, half a surrogate pair), and what it writes as
    another value is right in neither form (NaN, null).
    """
    right: set[bytes] = set()

    def is_right(held: object) -> object:
        try:
            text = orjson.dumps(held)
        except orjson.JSONEncodeError:
            return test(held)
        if text in right:
            return True
        found = test(held)
        if found and len(text) <= _LONGEST_REMEMBERED:
            if len(right) >= _MOST_REMEMBERED:
                right.clear()
            right.add(text)
        return found

    return is_right


def _list_test(test: Test) -> Test:
    def is_list(held: object) -> bool:
        return type(held) is list and held != [] and all(map(test, held))

    return is_list


def _never(_value: object) -> bool:
    return False
