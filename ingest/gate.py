"""The gate: is a resource as received valid FHIR of its center's version?

R4 servers are judged by the R4B models, which have the same elements for the types read here; R5 servers
by the R5 models. The models only judge: what is stored is the received JSON, never a model's coercion.
What is surely valid is told without them, at a tenth of the cost (`ingest.structure`).
What they let through and FHIR does not is judged here: numbers where FHIR writes text and the reverse, codes
outside a list that FHIR requires, blank texts, ids over 64 characters, NUL, numbers no column can hold.
Invariants and other codes are the business of the SQL checks.
Messages and paths never quote a value.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import fhir.resources
import fhir.resources.R4B
from pydantic import ValidationError

from ingest.center import FhirVersion
from ingest.required_codes import wrong_codes
from ingest.scalars import wrong_scalars
from ingest.structure import is_surely_valid

_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_NO_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
_MAX_EXPONENT = 307  # of a number that still fits a double
_MAX_DIGITS = 38  # of a DECIMAL column

_MESSAGES = {
    "missing": "a required element is missing",
    "model_field_validation.missing": "a required element is missing",
    "extra_forbidden": "the element is unknown in this FHIR version",
    "list_type": "a list is needed",
    "value_error": "the value breaks a rule of its type",
}

_MODELS = {"R4": fhir.resources.R4B.get_fhir_model_class, "R5": fhir.resources.get_fhir_model_class}


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing wrong with a resource: a rule of ours or of the model, where, and a fixed message."""

    rule: str
    path: str
    message: str


def judge(resource: Mapping[str, Any], fhir_version: FhirVersion) -> list[Issue]:
    """Everything found wrong with `resource`; empty when it is valid. Raises nothing about its content."""
    return [] if is_surely_valid(resource, fhir_version) else examine(resource, fhir_version)


def examine(resource: Mapping[str, Any], fhir_version: FhirVersion) -> list[Issue]:
    """What `judge` tells, by the models and our own rules, however ordinary the resource is."""
    resource_type = resource.get("resourceType")
    if not isinstance(resource_type, str) or not _NAME.fullmatch(resource_type):
        return [Issue("resource-type", "resourceType", "the resource does not tell its type")]
    found = [
        *_judge_id(resource, resource_type),
        *_judge_values(resource, resource_type),
        *_judge_scalars(resource, fhir_version),
        *_judge_codes(resource, fhir_version),
    ]
    return found + _judge_model(resource, resource_type, fhir_version)


def has_id(resource: Mapping[str, Any]) -> bool:
    """Whether the resource has an id of FHIR's form."""
    value = resource.get("id")
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _judge_id(resource: Mapping[str, Any], resource_type: str) -> list[Issue]:
    if has_id(resource):
        return []
    return [Issue("id", f"{resource_type}.id", "the id is missing or not of FHIR's form")]


def _judge_values(resource: Mapping[str, Any], resource_type: str) -> list[Issue]:
    return [Issue(*wrong) for wrong in _wrong_values(resource, (resource_type,))]


def _judge_scalars(resource: Mapping[str, Any], fhir_version: FhirVersion) -> list[Issue]:
    return [Issue(rule, _path(place), told) for rule, place, told in wrong_scalars(resource, fhir_version)]


def _judge_codes(resource: Mapping[str, Any], fhir_version: FhirVersion) -> list[Issue]:
    return [
        Issue("code", _path(place), "the code is none of those that FHIR requires here")
        for place in wrong_codes(resource, fhir_version)
    ]


def _wrong_values(value: object, place: tuple[str | int, ...]) -> Iterator[tuple[str, str, str]]:
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _wrong_values(child, (*place, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _wrong_values(child, (*place, index))
    elif isinstance(value, str):
        if _NO_TEXT.search(value):
            yield "text", _path(place), "the text holds control characters or half a surrogate pair"
        elif not value.strip():
            yield "blank", _path(place), "the text is empty or blank: FHIR leaves such an element out"
    elif isinstance(value, Decimal | int) and not isinstance(value, bool) and not _fits(Decimal(value)):
        yield "number", _path(place), "the number is too large, too small or too long for a column"


def _fits(number: Decimal) -> bool:
    return abs(number.adjusted()) <= _MAX_EXPONENT and len(number.as_tuple().digits) <= _MAX_DIGITS


def _judge_model(resource: Mapping[str, Any], resource_type: str, fhir_version: FhirVersion) -> list[Issue]:
    try:
        _MODELS[fhir_version](resource_type).model_validate(dict(resource))
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        return [
            Issue(
                f"model:{problem['type']}",
                _path((resource_type, *problem["loc"])),
                _MESSAGES.get(problem["type"], "the value is not of the element's type"),
            )
            for problem in problems
        ]
    # The models raise more than ValidationError: KeyError for a contained resource of unknown type,
    # RecursionError, ValueError for a type they do not know. Whatever it is, only this resource is refused.
    except Exception as error:
        return [Issue(f"model:{type(error).__name__}", resource_type, "the model cannot read the resource")]
    return []


def _path(place: Iterable[str | int]) -> str:
    text = ""
    for step in place:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += ("." if text else "") + (step if _NAME.fullmatch(step) else "?")
    return text
