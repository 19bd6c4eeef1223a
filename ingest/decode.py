"""Bytes of a server to JSON, strictly: what two readers could read differently is refused.

Numbers with a fraction or exponent become Decimal, which keeps their precision: FHIR's 7.10 is not 7.1
(https://hl7.org/fhir/R4/datatypes.html#decimal). The standard parser takes NaN, duplicate keys and
UTF-16, and raises RecursionError on deep nesting; none of these is FHIR.

A hook for duplicate keys would be a Python call for every object, the dearest part of reading a page.
Instead the strings of the text are counted and compared with those of the value: a duplicate key is the
only thing that a JSON parser drops. One pass over the value counts them and measures its depth.
"""

import codecs
import json
from decimal import Decimal
from typing import Any, NoReturn

JsonObject = dict[str, Any]

MAX_DEPTH = 64
MAX_INTEGER_DIGITS = 40


def decode_object(body: bytes) -> JsonObject:
    """The JSON object in `body` (UTF-8, one byte order mark allowed).

    Bytes that are not UTF-8 inside a string become lone surrogates, so that the gate refuses the one resource
    that holds them instead of all that came with it. Raises ValueError with a reason that quotes nothing.
    """
    text = body.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")
    try:
        value = json.loads(text, parse_float=Decimal, parse_int=_integer, parse_constant=_no_constant)
    except json.JSONDecodeError:
        raise ValueError("not JSON") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except ArithmeticError:
        raise ValueError("a number beyond what a decimal can hold") from None
    if isinstance(value, dict):
        if _count_strings(value) != _written_strings(text):
            raise ValueError("a key appears twice in one object")
        return value
    raise ValueError("not a JSON object")


def _no_constant(_name: str) -> NoReturn:
    raise ValueError("NaN or Infinity instead of a number")


def _integer(text: str) -> int:
    if len(text) > MAX_INTEGER_DIGITS:
        raise ValueError("a number has too many digits")
    return int(text)


def _written_strings(text: str) -> int:
    """How many strings, keys included, a valid JSON text holds: half its quotes that are not escaped."""
    if "\\" in text:
        text = text.replace("\\\\", "")  # what is left of backslashes escapes something
        return (text.count('"') - text.count('\\"')) // 2
    return text.count('"') // 2


def _count_strings(value: JsonObject) -> int:
    """How many strings, keys included, a value holds; raises ValueError when it is nested too deeply."""
    found = 0
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for node in level:
            is_object = type(node) is dict
            found += len(node) if is_object else 0
            for child in node.values() if is_object else node:
                kind = type(child)
                if kind is str:
                    found += 1
                elif kind is dict or kind is list:
                    below.append(child)
        if not below:
            return found
        level = below
    raise ValueError("nested too deeply")
