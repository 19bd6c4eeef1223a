"""Texts and patterns as Spark must be given them to treat them as DuckDB does."""

import functools
from collections.abc import Callable, Mapping

import duckdb
from sqlglot import exp

from warehouse.engines.nodes import Node, Untranslatable, call, cast

# All that Unicode calls a space separator: DuckDB's trim removes them, Spark's only the first.
_SPACES = " \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_PRIVATE_USE = 0xE000


def _concat(node: Node) -> Node:
    """A NULL among the parts counts as nothing; each part as text, or '' would be cast to its type."""
    return call("CONCAT", *(part if part.is_string else _text(part) for part in node.expressions))


def _text(part: Node) -> exp.Coalesce:
    return exp.Coalesce(this=cast(part, "TEXT"), expressions=[exp.Literal.string("")])


def _trim(node: Node) -> Node:
    if node.expression is None:
        node.set("expression", exp.Literal.string(_SPACES))
    return node


def _upper(node: Node) -> Node:
    """DuckDB makes one letter of each, Spark two of some (SS of a German sharp s): those are led past it."""
    signs, capitals = _made_two()
    aside = "".join(chr(_PRIVATE_USE + number) for number in range(len(signs)))
    return _translated(call("UPPER", _translated(node.this, signs, aside)), aside, capitals)


def _lower(node: Node) -> Node:
    """The same of the Turkish I, and of the sigma that ends a word."""
    return call("LOWER", _translated(node.this, "\u0130\u03a3", "i\u03c3"))


def _translated(node: Node, signs: str, by: str) -> Node:
    return call("TRANSLATE", node, exp.Literal.string(signs), exp.Literal.string(by))


@functools.cache
def _made_two() -> tuple[str, str]:
    """The letters whose capital form is more than one letter, and what DuckDB makes of each."""
    signs = "".join(sign for sign in map(chr, range(0x10000)) if len(sign.upper()) > 1)
    with duckdb.connect() as connection:
        (capitals,) = connection.execute("SELECT upper(?)", [signs]).fetchall()[0]
    return signs, capitals


def _substring(node: Node) -> Node:
    """Before the first letter is nothing in DuckDB, in Spark the first letter."""
    start = node.args.get("start")
    if isinstance(start, exp.Literal) and start.name == "0":
        raise Untranslatable("substr() from position 0")
    return node


def _end(node: Node) -> Node:
    if not isinstance(node.expression, exp.Literal):
        raise Untranslatable(f"{node.key}() of a length that is no literal")
    return node


def _like(node: Node) -> Node:
    """A backslash in a pattern escapes in Spark alone."""
    if not isinstance(node.expression, exp.Literal) or "\\" in node.expression.name:
        raise Untranslatable("LIKE with a pattern that is no literal, or holds a backslash")
    return node


def _matches(node: Node) -> Node:
    if node.args.get("flag"):
        raise Untranslatable("regexp_matches() with options")
    node.set("expression", _java(node.expression))
    return node


def _replace(node: Node) -> Node:
    """Spark replaces every match, DuckDB the first unless told so."""
    modifiers, by = node.args.get("modifiers"), node.args.get("replacement")
    if modifiers is None or modifiers.name != "g":
        raise Untranslatable("regexp_replace() without exactly the option g")
    if not isinstance(by, exp.Literal) or "\\" in by.name or "$" in by.name:
        raise Untranslatable("regexp_replace() with a reference to a group")
    node.set("expression", _java(node.expression))
    node.set("modifiers", None)
    return node


def _java(pattern: Node | None) -> exp.Literal:
    """RE2's pattern as Java's: $ is the very end, a dot all but a line feed, a blank no vertical tab."""
    if not isinstance(pattern, exp.Literal) or not pattern.is_string:
        raise Untranslatable("a regular expression that is no literal")
    found, is_escaped, is_set = ["(?d)"], False, False
    for sign in pattern.name:
        if is_escaped:
            found[-1] = _escaped(sign, is_set=is_set)
        else:
            found.append(r"\z" if sign == "$" and not is_set else sign)
            is_set = sign == "[" or (is_set and sign != "]")
        is_escaped = sign == "\\" and not is_escaped
    return exp.Literal.string("".join(found))


def _escaped(sign: str, *, is_set: bool) -> str:
    if sign != "s":
        return f"\\{sign}"
    return r"\t\n\f\r " if is_set else r"[\t\n\f\r ]"


TEXT_FIXUPS: Mapping[type[Node], Callable[[Node], Node]] = {
    exp.Concat: _concat,
    exp.ILike: _like,
    exp.Left: _end,
    exp.Like: _like,
    exp.Lower: _lower,
    exp.RegexpLike: _matches,
    exp.RegexpReplace: _replace,
    exp.Right: _end,
    exp.Substring: _substring,
    exp.Trim: _trim,
    exp.Upper: _upper,
}
