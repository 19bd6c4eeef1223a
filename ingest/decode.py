"""Bytes of a server to JSON, strictly: what two readers could read differently is refused.

Numbers with a fraction or exponent become Decimal, which keeps their precision: FHIR's 7.10 is not 7.1
(https://hl7.org/fhir/R4/datatypes.html#decimal). The standard parser takes NaN, duplicate keys and
UTF-16, and raises RecursionError on deep nesting; none of these is FHIR.
"""

import codecs
from typing import Any, NoReturn

import simplejson

JsonObject = dict[str, Any]

MAX_DEPTH = 64
MAX_INTEGER_DIGITS = 40


def decode_object(body: bytes) -> JsonObject:
    """The JSON object in `body` (UTF-8, one byte order mark allowed).

    Raises ValueError with a reason that quotes nothing of the body.
    """
    try:
        text = body.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    if text.startswith("\ufeff"):  # simplejson would strip a second mark
        raise ValueError("not JSON")
    try:
        value = simplejson.loads(
            text,
            use_decimal=True,
            parse_int=_integer,
            parse_constant=_no_constant,
            object_pairs_hook=_unique,
            allow_nan=True,  # sends NaN and Infinity to parse_constant, which refuses them
        )
    except simplejson.JSONDecodeError:
        raise ValueError("not JSON") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if isinstance(value, dict):
        _check_depth(value)
        return value
    raise ValueError("not a JSON object")


def _no_constant(_name: str) -> NoReturn:
    raise ValueError("NaN or Infinity instead of a number")


def _integer(text: str) -> int:
    if len(text) > MAX_INTEGER_DIGITS:
        raise ValueError("a number has too many digits")
    return int(text)


def _unique(pairs: list[tuple[str, Any]]) -> JsonObject:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice in one object")
    return found


def _check_depth(value: JsonObject) -> None:
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in _children(node)]
        if not level:
            return
    raise ValueError("nested too deeply")


def _children(node: Any) -> list[Any]:
    values = node.values() if isinstance(node, dict) else node
    return [value for value in values if isinstance(value, dict | list)]
