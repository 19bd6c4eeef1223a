"""Bytes become JSON only when every reader would read them alike."""

import gc
import json
from decimal import Decimal

import pytest

from ingest.decode import MAX_DEPTH, decode_object


def test_a_decimal_keeps_its_digits() -> None:
    assert str(decode_object(b'{"value": 7.10}')["value"]) == "7.10"


def test_an_exponent_beyond_a_double_stays_a_number() -> None:
    assert decode_object(b'{"value": 1e400}')["value"] == Decimal("1e400")


def test_one_byte_order_mark_is_stripped() -> None:
    assert decode_object(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_bytes_that_are_not_utf8_are_half_a_surrogate_pair_in_their_string_alone() -> None:
    assert decode_object(b'{"a": "x\xff", "b": "y"}') == {"a": "x\udcff", "b": "y"}


@pytest.mark.parametrize("text", ["\\", '"', '\\"', '\\\\"', "a\\\\\\", 'x"y\\"z', "\n\t\u2028\x7f"])
def test_quotes_and_backslashes_in_a_string_are_no_second_key(text: str) -> None:
    value = {text: text, "list": [text, {text: [text]}], "é": ""}
    assert decode_object(json.dumps(value).encode()) == value
    assert decode_object(json.dumps(value, ensure_ascii=False).encode()) == value


def test_the_deepest_allowed_nesting_is_read() -> None:
    depth = MAX_DEPTH - 1
    assert decode_object(b'{"a":' + b"[" * depth + b"]" * depth + b"}")


@pytest.mark.parametrize("was_enabled", [True, False])
def test_the_cyclic_collector_is_left_as_it_was(was_enabled: bool) -> None:
    (gc.enable if was_enabled else gc.disable)()
    try:
        decode_object(b'{"a": 1}')
        assert gc.isenabled() == was_enabled
        with pytest.raises(ValueError, match="not JSON"):
            decode_object(b"{")
        assert gc.isenabled() == was_enabled
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"a": 1, "a": 1}', "twice"),
        (b'{"entry": [{"b": {"a": 1, "a": 2}}]}', "twice"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": Infinity}', "NaN or Infinity"),
        (b'{"a": -Infinity}', "NaN or Infinity"),
        ('{"a": 1}'.encode("utf-16"), "not JSON"),
        (b'{"a": 1}\xff', "not JSON"),
        (rb'{"a": 1, "\u0061": "\u0022\u0022"}', "twice"),  # the quotes of the two texts are as many
        (b'{"a\\"": {"b": "\\\\", "b": "\\\\\\""}}', "twice"),
        (b'{"a": 1e9999999999999999999}', "decimal"),
        (b"\xef\xbb\xbf\xef\xbb\xbf{}", "not JSON"),
        (b'{"a": "SECRET', "not JSON"),
        (b'{"a": "SECRET"} x', "not JSON"),
        (b'{"a": "SECRET\n"}', "not JSON"),
        (b"<html>SECRET</html>", "not JSON"),
        (b"", "not JSON"),
        (b'["SECRET"]', "object"),
        (b"null", "object"),
        (b'{"a":' + b"9" * 5000 + b"}", "digits"),
        (b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", "deep"),
        (b'{"a":' * 100_000, "deep"),
    ],
)
def test_what_two_readers_could_read_differently_is_refused_without_quoting_it(
    body: bytes, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        decode_object(body)
    assert "SECRET" not in str(caught.value)
