"""Bytes of a server to JSON, strictly: what two readers could read differently is refused.

Numbers with a fraction or exponent become Decimal, which keeps their precision: FHIR's 7.10 is not 7.1
(https://hl7.org/fhir/R4/datatypes.html#decimal). The standard parser takes NaN, duplicate keys and
UTF-16, and raises RecursionError on deep nesting; none of these is FHIR.

A hook for duplicate keys would be a Python call for every object, the dearest part of reading a page.
Instead the strings of the text are counted and compared with those of the value: a duplicate key is the
only thing that a JSON parser drops. Mostly it is enough to write the value again (orjson does that in a tenth
of the time of reading it) and to compare two texts; what that cannot settle is counted in the value itself.
"""

import codecs
import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, NoReturn

import orjson

JsonObject = dict[str, Any]

MAX_DEPTH = 64
MAX_INTEGER_DIGITS = 40

_INDENT = 2  # of each level, as orjson writes it
# Without so many digits in a row no number is beyond what `decode_object` takes.
_DIGITS, _LONG_NUMBER = bytes.maketrans(b"123456789", b"0" * 9), b"0" * 18
_DEEPEST_LINE = b"\n" + b" " * _INDENT * MAX_DEPTH  # in a string a line feed is escaped


def decode_object(body: bytes) -> JsonObject:
    """The JSON object in `body` (UTF-8, one byte order mark allowed).

    Bytes that are not UTF-8 inside a string become lone surrogates, so that the gate refuses the one resource
    that holds them instead of all that came with it. Raises ValueError with a reason that quotes nothing.
    """
    text = body.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")
    try:
        with collector_paused():
            value = _DECODER.decode(text)
    except json.JSONDecodeError:
        raise ValueError("not JSON") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except ArithmeticError:
        raise ValueError("a number beyond what a decimal can hold") from None
    if isinstance(value, dict):
        if not _is_plain(value, body) and _count_strings(value) != _written_strings(body):
            raise ValueError("a key appears twice in one object")
        return value
    raise ValueError("not a JSON object")


def decode_roughly(body: bytes) -> JsonObject | None:
    """What `decode_object` gives, but with floats instead of Decimals, in a third of the time.

    None wherever that takes `decode_object` to tell, be it that it would raise. Only a number that is too
    long (`has_long_number`) may be in it as a float.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None  # not JSON, or a byte order mark, NaN, no UTF-8, a number beyond a double
    return value if isinstance(value, dict) and _is_plain(value, body) else None


def has_long_number(body: bytes) -> bool:
    """Whether there may be a number in it that `decode_object` refuses for its length."""
    return _LONG_NUMBER in body.translate(_DIGITS)


@contextmanager
def collector_paused() -> Iterator[None]:
    """Keep the cyclic collector from searching a value for cycles while it grows: a parser makes none.

    A page is thousands of new objects, for each few hundred of which the collector would run, every so often
    over all that the process holds.
    """
    was_enabled = gc.isenabled()  # False in a second thread, which leaves it to the first
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _no_constant(_name: str) -> NoReturn:
    raise ValueError("NaN or Infinity instead of a number")


def _integer(text: str) -> int:
    if len(text) > MAX_INTEGER_DIGITS:
        raise ValueError("a number has too many digits")
    return int(text)


def _is_plain(value: JsonObject, body: bytes) -> bool:
    """Whether it is plain that the value lacks nothing of the text and is not too deep.

    Written again, a value has as many quotes as its text, unless a key was dropped with its quotes or the
    text has some that are written as a code (\\u0022). Numbers have no quotes: 0 stands for those that orjson
    cannot write.
    """
    try:
        again = orjson.dumps(value, default=_zero, option=orjson.OPT_INDENT_2)
    except orjson.JSONEncodeError:
        return False  # half a surrogate pair, an integer of more than 64 bits, more than 254 levels
    has_coded_quote = (
        b"\\" in body and rb"\u0022" in body
    )  # most bodies have no backslash: that is told quickly
    return again.count(b'"') == body.count(b'"') and not has_coded_quote and _DEEPEST_LINE not in again


_DECODER = json.JSONDecoder(parse_float=Decimal, parse_int=_integer, parse_constant=_no_constant)


def _zero(_number: object) -> int:
    return 0


def _written_strings(body: bytes) -> int:
    """How many strings, keys included, a valid JSON text holds: half its quotes that are not escaped."""
    escaped = body.replace(rb"\\", b"") if rb"\\" in body else body  # what is left escapes something
    return (escaped.count(b'"') - escaped.count(rb"\"")) // 2


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
