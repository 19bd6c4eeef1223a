"""FHIR's primitive types as JSON values: what is surely one of them.

By the rules of https://hl7.org/fhir/R4/datatypes.html and R5, and nothing wider: a value that may be right in
another way (a leap second, a year before 1000, a 29 February of a year that ends in 00) is not surely right.
Text has no control characters and is not blank; numbers fit a column.
"""

import binascii
import re
from collections.abc import Callable, Mapping
from decimal import Decimal

# What is surely right gives something true. May raise TypeError for a value of another JSON type.
Test = Callable[[object], object]

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
_ASCII_TEXT = bytes((9, 10, 13, *range(32, 127)))
_SHORT = 100  # characters: a table of bytes takes a while to start and is three times as fast then
_MOST = 10**30  # a number below it has fewer digits than a column and a double's exponent
_MAX_INT = 2**31 - 1

_DAY = (
    r"[12][0-9]{3}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)"
    r"|(?:0[13578]|1[02])-31)"
    r"|[12][0-9](?:0[48]|[2468][048]|[13579][26])-02-29"
)
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?"
_ZONE = r"(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9]|[+-]14:00)"
_PARTIAL = r"[12][0-9]{3}(?:-(?:0[1-9]|1[0-2]))?"
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?").fullmatch


def _pattern(text: str) -> Test:
    return re.compile(text).fullmatch  # type: ignore[return-value]  # TypeError for no text is part of the contract


def _is_text(value: object) -> bool:
    if type(value) is not str or not value or value.isspace():
        return False
    if len(value) > _SHORT and value.isascii():
        return not value.encode("ascii").translate(None, _ASCII_TEXT)
    return value.isprintable() or _CONTROL.search(value) is None


def _is_word(value: object) -> bool:
    return type(value) is str and value.isprintable() and value != "" and " " not in value


def _is_code(value: object) -> bool:
    """Text without blanks but single ones between words."""
    if type(value) is not str or not value.isprintable():
        return False
    return value != "" and (" " not in value or value == " ".join(value.split()))


def _is_base64(value: object) -> bool:
    if type(value) is not str or value == "":
        return False
    try:
        binascii.a2b_base64(value, strict_mode=True)
    except ValueError:
        return False
    return True


def _is_decimal(value: object) -> bool:
    if type(value) is int:
        return -_MOST < value < _MOST
    return type(value) is Decimal and _DECIMAL(str(value)) is not None


def _is_boolean(value: object) -> bool:
    return type(value) is bool


def _integer(least: int) -> Test:
    def is_integer(value: object) -> bool:
        return type(value) is int and least <= value <= _MAX_INT

    return is_integer


PRIMITIVES: Mapping[str, Test] = {
    "base64Binary": _is_base64,
    "boolean": _is_boolean,
    "canonical": _is_word,
    "code": _is_code,
    "date": _pattern(rf"{_DAY}|{_PARTIAL}"),
    "dateTime": _pattern(rf"(?:{_DAY})(?:T{_CLOCK}{_ZONE})?|{_PARTIAL}"),
    "decimal": _is_decimal,
    "id": _pattern(r"[A-Za-z0-9.-]{1,64}"),
    "instant": _pattern(rf"(?:{_DAY})T{_CLOCK}{_ZONE}"),
    "integer": _integer(-_MAX_INT - 1),
    "integer64": _pattern(r"-?(?:0|[1-9][0-9]{0,17})"),  # JSON writes it as text
    "markdown": _is_text,
    "oid": _pattern(r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+"),
    "positiveInt": _integer(1),
    "string": _is_text,
    "time": _pattern(_CLOCK),
    "unsignedInt": _integer(0),
    "uri": _is_word,
    "url": _is_word,
    "uuid": _pattern(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
    "xhtml": _is_text,
}
