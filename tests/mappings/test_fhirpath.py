from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.errors import ViewError
from mappings.fhirpath import (
    Binary,
    Call,
    Constant,
    Empty,
    Index,
    Literal,
    Member,
    Negative,
    Node,
    This,
    parse,
)

NAME = Member(None, "name")


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("name", NAME),
        ("`div`.`a b`", Member(Member(None, "div"), "a b")),
        ("true", Literal(value=True, type="boolean")),
        ("`true`", Member(None, "true")),
        ("name.true", Member(NAME, "true")),
        ("12", Literal(12, "integer")),
        ("12.50", Literal(Decimal("12.50"), "decimal")),
        ("'it\\'s \\u00e9\\n\\\\'", Literal("it's é\n\\", "string")),
        ("@2024-05", Literal("2024-05", "date")),
        ("@2024T", Literal("2024T", "dateTime")),
        ("@2024-05-01T10:00:00.5+02:00", Literal("2024-05-01T10:00:00.5+02:00", "dateTime")),
        ("@T10:00", Literal("10:00", "time")),
        ("%limit", Constant("limit")),
        ("%`limit`", Constant("limit")),
        ("$this", This()),
        ("{ }", Empty()),
        ("-1", Negative(Literal(1, "integer"))),
        ("name[0].given", Member(Index(NAME, Literal(0, "integer")), "given")),
        ("first()", Call(None, "first", ())),
        ("name.where(use)", Call(NAME, "where", (Member(None, "use"),))),
        ("iif(a, b, c)", Call(None, "iif", tuple(Member(None, name) for name in "abc"))),
        ("a // rest\n . /* b */ b", Member(Member(None, "a"), "b")),
    ],
)
def test_each_form_has_its_tree(text: str, node: Node) -> None:
    assert parse(text) == node


def _letters(node: Node) -> str:
    match node:
        case Binary(operator, left, right):
            return f"({_letters(left)} {operator} {_letters(right)})"
        case Negative(operand):
            return f"(-{_letters(operand)})"
        case Member(None, name):
            return name
    raise AssertionError(node)


@pytest.mark.parametrize(
    ("text", "grouped"),
    [
        ("a or b and c", "(a or (b and c))"),
        ("a and b or c", "((a and b) or c)"),
        ("a = b and c != d", "((a = b) and (c != d))"),
        ("a < b = c > d", "((a < b) = (c > d))"),
        ("a + b * c - d", "((a + (b * c)) - d)"),
        ("a - b - c", "((a - b) - c)"),
        ("-a * b", "((-a) * b)"),
        ("(a or b) and c", "((a or b) and c)"),
        ("a + b <= c / d", "((a + b) <= (c / d))"),
    ],
)
def test_operators_bind_as_fhirpath_orders_them(text: str, grouped: str) -> None:
    assert _letters(parse(text)) == grouped


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", 1),
        ("@@", 1),
        ("name.", 6),
        ("name given", 6),
        ("(name", 6),
        ("name)", 5),
        ("name.where(", 12),
        ("name.where(a,)", 14),
        ("name[0", 7),
        ("'open", 1),
        ("a = ", 5),
        ("%", 1),
        ("name.1", 6),
        ("a | b", 3),
        ("{a}", 2),
        ("$index", 1),
    ],
)
def test_an_error_names_the_character_where_reading_stopped(text: str, place: int) -> None:
    with pytest.raises(ViewError, match=f"at character {place}:"):
        parse(text)


@pytest.mark.parametrize("text", ["(" * 200 + "a" + ")" * 200, "-" * 500 + "1", "a(" * 200 + ")" * 200])
def test_deep_nesting_is_an_error_and_not_a_crash(text: str) -> None:
    with pytest.raises(ViewError, match="nested deeper"):
        parse(text)


def test_siblings_do_not_count_as_nesting() -> None:
    assert isinstance(parse(" and ".join("(a)" for _ in range(300))), Binary)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse(text)
    except ViewError:
        return


@given(st.text())
def test_a_quoted_text_reads_back_as_itself(text: str) -> None:
    quoted = text.replace("\\", "\\\\").replace("'", "\\'")
    assert parse(f"'{quoted}'") == Literal(text, "string")
