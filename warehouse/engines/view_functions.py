"""The functions of a view's statement in Spark, where they differ in order, in counting, or for NULL."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlglot import exp

from warehouse.engines.view_expressions import Function, Writer, unknown
from warehouse.engines.view_terms import (
    BOOLEAN,
    DOUBLE,
    SIZE,
    TEXT,
    Kind,
    Term,
    any_of,
    from_json,
    item_of,
    json_items,
    literal,
)

Nodes = Sequence[Any]


def _list_transform(writer: Writer, nodes: Nodes) -> Term:
    if _is_only_a_guard(nodes):
        return _of_one(writer.term(nodes[1].this))
    items = writer.term(nodes[0])
    names, body = writer.within(nodes[1], item_of(items.kind))
    sql = f"transform({items.sql}, {_parameters(names)} -> {body.sql})"
    return Term(sql, [body.kind], any_of(items.fails, _fails_within(items.sql, names, body)))


def _is_only_a_guard(nodes: Nodes) -> bool:
    """Whether it is the lambda over one item behind which the compiler hides what DuckDB would hoist."""
    return [parameter.name for parameter in nodes[1].expressions] == ["guarded"]


def _of_one(body: Term) -> Term:
    return Term(f"array({body.sql})", [body.kind], body.fails)


def _list_filter(writer: Writer, nodes: Nodes) -> Term:
    items = writer.term(nodes[0])
    names, body = writer.within(nodes[1], item_of(items.kind))
    sql = f"filter({items.sql}, {_parameters(names)} -> {body.sql})"
    return Term(sql, items.kind, any_of(items.fails, _fails_within(items.sql, names, body)))


def _parameters(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"({', '.join(names)})"


def _fails_within(items: str, names: Sequence[str], body: Term) -> str:
    if not body.fails:
        return ""
    if len(names) == 1:
        return f"exists({items}, {names[0]} -> {body.fails})"
    return f"exists(transform({items}, {_parameters(names)} -> {body.fails}), failed -> failed)"


def _flatten(writer: Writer, nodes: Nodes) -> Term:
    items = writer.term(nodes[0])
    lists = items.sql
    if not _is_of_concatenations(nodes[0]):  # Spark's is NULL when one of the lists is
        lists = f"filter({lists}, inner -> inner IS NOT NULL)"
    return Term(f"flatten({lists})", item_of(items.kind), items.fails)


def _is_of_concatenations(node: Any) -> bool:
    """Whether each of the lists is a concatenation, which is never NULL: `repeat` nests them deep."""
    return bool(node.name == "list_transform" and node.expressions[1].this.name == "list_concat")


def _list_concat(writer: Writer, nodes: Nodes) -> Term:
    lists = [writer.term(node) for node in nodes]  # Spark's is NULL when one of them is
    sql = ", ".join(f"coalesce({each.sql}, array())" for each in lists)
    return Term(f"concat({sql})", lists[0].kind, any_of(*(each.fails for each in lists)))


def _unnest(writer: Writer, nodes: Nodes) -> Term:
    items = writer.term(nodes[0])
    return Term(f"explode({items.sql})", item_of(items.kind), items.fails)


def _try(writer: Writer, nodes: Nodes) -> Term:
    inner = writer.guarded().term(nodes[0])
    sql = f"IF(coalesce({inner.fails}, FALSE), NULL, {inner.sql})" if inner.fails else inner.sql
    return Term(sql, inner.kind)


def _coalesce(writer: Writer, nodes: Nodes) -> Term:
    found = [writer.term(node) for node in nodes]
    fails, before = found[0].fails, found[0]
    for term in found[1:]:
        if term.fails:
            fails = any_of(fails, f"CASE WHEN {before.sql} IS NULL THEN {term.fails} END")
        before = Term(f"coalesce({before.sql}, {term.sql})")
    return Term(f"coalesce({', '.join(term.sql for term in found)})", found[0].kind, fails)


def _json_transform(writer: Writer, nodes: Nodes) -> Term:
    return from_json(writer.term(nodes[0]), nodes[1].this)


def _json_extract(writer: Writer, nodes: Nodes) -> Term:
    return json_items(writer.term(nodes[0]), nodes[1].this)


def _regexp_extract(writer: Writer, nodes: Nodes) -> Term:
    text, group = writer.term(nodes[0]), writer.term(nodes[2])
    pattern = nodes[1].this
    if pattern.endswith("$"):  # in Java also before a last line feed
        pattern = pattern.removesuffix("$") + r"\z"
    return Term(f"regexp_extract({text.sql}, {literal(pattern)}, {group.sql})", TEXT, text.fails)


def _rtrim(writer: Writer, nodes: Nodes) -> Term:
    text, characters = (writer.term(node) for node in nodes)
    return Term(f"rtrim({characters.sql}, {text.sql})", TEXT, text.fails)


def _strftime(writer: Writer, nodes: Nodes) -> Term:
    if not isinstance(nodes[1], exp.Literal) or nodes[1].this != "%Y-%m-%d":
        raise unknown("strftime() of another format")
    date = writer.term(nodes[0])
    return Term(f"date_format({date.sql}, 'yyyy-MM-dd')", TEXT, date.fails)


def _list_bool_or(writer: Writer, nodes: Nodes) -> Term:
    items = writer.term(nodes[0])
    return Term(f"exists({items.sql}, each -> each)", BOOLEAN, items.fails)


def _same(name: str, kind: Kind | None = TEXT) -> Function:
    """A function that takes the same arguments in Spark; without a kind it has that of its first one."""

    def function(writer: Writer, nodes: Nodes) -> Term:
        arguments = [writer.term(node) for node in nodes]
        made = Term(f"{name}({', '.join(each.sql for each in arguments)})", fails=_any(arguments))
        return replace(made, kind=arguments[0].kind if kind is None else kind)

    return function


def _any(arguments: Sequence[Term]) -> str:
    return any_of(*(each.fails for each in arguments))


FUNCTIONS: Mapping[str, Callable[[Writer, Nodes], Term]] = {
    "list_transform": _list_transform,
    "list_filter": _list_filter,
    "flatten": _flatten,
    "list_concat": _list_concat,
    "unnest": _unnest,
    "try": _try,
    "coalesce": _coalesce,
    "json_transform": _json_transform,
    "json_extract": _json_extract,
    "regexp_extract": _regexp_extract,
    "rtrim": _rtrim,
    "strftime": _strftime,
    "list_bool_or": _list_bool_or,
    "len": _same("array_size", SIZE),
    "length": _same("length", SIZE),
    "least": _same("least", None),
    "nullif": _same("nullif", None),
    "starts_with": _same("startswith", BOOLEAN),
    "substr": _same("substr"),
    "left": _same("left"),
    "array_to_string": _same("array_join"),
    "concat_ws": _same("concat_ws"),
    "last_day": _same("last_day", "DATE"),
    "pow": _same("pow", DOUBLE),
}
