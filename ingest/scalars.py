"""Scalars that the models let through and FHIR does not, by what each element is.

FHIR writes text as JSON strings, numbers as JSON numbers, booleans as true and false
(https://hl7.org/fhir/R4/json.html#primitive). The models coerce: to them 202510 is a dateTime (1970-01-03),
"7.10" a decimal, a text that holds JSON an object, and an id may have 255 characters. What each element is
comes from the same models, so that no element is forgotten.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from typing import Any

from ingest.center import FhirVersion
from mappings.errors import ViewError
from mappings.schema import Element, type_info

Place = tuple[str | int, ...]
Wrong = tuple[str, Place, str]

_LONGEST_ID = 64

_NUMBERS = frozenset({"decimal", "integer", "positiveInt", "unsignedInt"})  # integer64 is written as text


def wrong_scalars(resource: Mapping[str, Any], fhir_version: FhirVersion) -> Iterator[Wrong]:
    """The rule broken, where, and in which way: scalars not written as FHIR writes their element, long ids.

    The id of the resource itself is not looked at.
    """
    return _in_resource(resource, fhir_version, ())


def _in_resource(resource: Mapping[str, Any], version: FhirVersion, place: Place) -> Iterator[Wrong]:
    name = resource.get("resourceType")
    if isinstance(name, str):
        yield from _in_object(resource, name, version, place or (name,))


@cache
def _properties(version: FhirVersion, type_name: str) -> Mapping[str, Element]:
    """Every JSON property of a type, choices and `_birthDate` among them; none of a type that is unknown."""
    try:
        info = type_info(version, type_name)
    except ViewError:
        return {}  # the models say so
    told = [
        *info.elements.values(),
        *(each for options in info.choices.values() for each in options.values()),
    ]
    companions = [each.companion for each in told if each.is_primitive]
    return {each.name: each for each in [*told, *companions]}


def _in_object(
    held: Mapping[str, Any], type_name: str, version: FhirVersion, place: Place
) -> Iterator[Wrong]:
    properties = _properties(version, type_name)
    for name, value in held.items():
        element = properties.get(name)
        if element is None:
            continue
        if isinstance(value, list):
            for index, each in enumerate(value):
                yield from _in_value(each, element, version, (*place, name, index))
        else:
            yield from _in_value(value, element, version, (*place, name))


def _in_value(value: object, element: Element, version: FhirVersion, place: Place) -> Iterator[Wrong]:
    if isinstance(value, dict):
        if element.type == "Resource":
            yield from _in_resource(value, version, place)
        elif not element.is_primitive:
            yield from _in_object(value, element.type, version, place)
    elif isinstance(value, str | int | float | Decimal):
        needed = _json_type(element.type)
        if needed != _json_type_of(value):
            yield "json-type", place, f"FHIR writes the value as a JSON {needed}"
        elif element.type == "id" and len(str(value)) > _LONGEST_ID and len(place) > 2:
            yield "id", place, f"an id has at most {_LONGEST_ID} characters"


def _json_type(fhir_type: str) -> str:
    if not fhir_type[0].islower():
        return "object"
    if fhir_type == "boolean":
        return "boolean"
    return "number" if fhir_type in _NUMBERS else "string"


def _json_type_of(value: str | float | Decimal) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "string" if isinstance(value, str) else "number"
