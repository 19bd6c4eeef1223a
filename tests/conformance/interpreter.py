"""A second, independent reading of ViewDefinitions: an interpreter over Python values, the compiler's oracle.

It shares the parser and the element types with the compiler and nothing else. Collections are lists of
`Item`, rows are dictionaries; slow and plain on purpose. `ViewFails` stands for a resource without rows.
"""

import itertools
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from mappings.fhirpath import (
    Binary,
    Call,
    Constant,
    Index,
    Literal,
    Member,
    Negative,
    Node,
    This,
    parse,
)
from mappings.schema import PRIMITIVE_COMPANION, type_info
from mappings.viewdef import Select, ViewDefinition

TEMPORAL = ("date", "dateTime", "instant")


class ViewFails(Exception):  # noqa: N818 -- an outcome, not a defect
    """The view cannot be evaluated on this resource."""


@dataclass(frozen=True)
class Item:
    value: Any
    type: str
    companion: Any = None


@dataclass(frozen=True)
class Context:
    version: str
    center_id: str
    base_url: str
    resource: Item
    constants: Mapping[str, Item]
    row_index: int = 0


def rows(view: ViewDefinition, resource: Mapping[str, Any], context: Context) -> list[dict[str, Any]]:
    """The rows of one resource; raises `ViewFails`."""
    focus = [context.resource]
    for where in view.where:
        if _single(evaluate(parse(where.path), focus, context)) is not True:
            return []
    return list(_crossed([list(_select(select, focus, context)) for select in view.select]))


def _crossed(parts: Sequence[Sequence[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    for combination in itertools.product(*parts):
        yield {name: value for row in combination for name, value in row.items()}


def _select(select: Select, focus: list[Item], context: Context) -> Iterator[dict[str, Any]]:
    if select.repeat is not None:
        found = list(_descend(select.repeat, focus, context))
    elif select.for_each is not None or select.for_each_or_null is not None:
        found = evaluate(parse(select.for_each or select.for_each_or_null or ""), focus, context)
        if not found and select.for_each_or_null is not None:
            yield from _body(select, [], replace(context, row_index=0))
    else:
        yield from _body(select, focus, context)
        return
    for index, item in enumerate(found):
        yield from _body(select, [item], replace(context, row_index=index))


def _descend(paths: Sequence[str], focus: list[Item], context: Context) -> Iterator[Item]:
    for path in paths:
        for child in evaluate(parse(path), focus, context):
            yield child
            yield from _descend(paths, [child], context)


def _body(select: Select, focus: list[Item], context: Context) -> Iterator[dict[str, Any]]:
    row: dict[str, Any] = {}
    for column in select.column:
        values = evaluate(parse(column.path), focus, context)
        row[column.name] = [item.value for item in values] if column.collection else _single(values)
    parts = [[row], *(list(_select(part, focus, context)) for part in select.select)]
    if select.union_all:
        parts.append([made for branch in select.union_all for made in _select(branch, focus, context)])
    yield from _crossed(parts)


def _single(items: Sequence[Item]) -> Any:
    if len(items) > 1:
        raise ViewFails
    return items[0].value if items else None


def evaluate(node: Node, focus: list[Item], context: Context) -> list[Item]:
    """The collection a path gives on a focus."""
    found: list[Item] = []
    match node:
        case Literal(value, fhir_type):
            found = [Item(value, fhir_type)]
        case This():
            found = focus
        case Constant(name):
            found = [Item(context.row_index, "integer") if name == "rowIndex" else context.constants[name]]
        case Member():
            found = _member(node, focus, context)
        case Index(base, position):
            place = _single(evaluate(position, focus, context))
            if place is not None and place >= 0:
                found = evaluate(base, focus, context)[place : place + 1]
        case Negative(operand):
            found = [Item(-item.value, item.type) for item in evaluate(operand, focus, context)]
        case Binary(symbol, left, right):
            result = _binary(symbol, evaluate(left, focus, context), evaluate(right, focus, context))
            found = [] if result is None else [Item(result, "computed")]
        case Call():
            applied_to = evaluate(node.base, focus, context) if node.base else focus
            found = FUNCTIONS[node.name](Invocation(applied_to, focus, node.arguments, context))
    return found


def _member(node: Member, focus: list[Item], context: Context) -> list[Item]:
    if node.base is not None:
        return _children(evaluate(node.base, focus, context), node.name, context)
    is_type_name = focus == [context.resource] and node.name == context.resource.type
    return focus if is_type_name else _children(focus, node.name, context)


def _children(items: Sequence[Item], name: str, context: Context) -> list[Item]:
    found: list[Item] = []
    for item in items:
        if not isinstance(item.value, dict):
            continue
        info = type_info(context.version, item.type)
        options = (
            [info.elements[name]] if name in info.elements else list(info.choices.get(name, {}).values())
        )
        for element in options:
            values, extras = item.value.get(element.name), item.value.get(f"_{element.name}")
            if not element.is_list:
                values, extras = [values], [extras]
            pairs = itertools.zip_longest(values or [], extras or [])
            found += [
                Item(value, element.type, extra) for value, extra in pairs if (value, extra) != (None, None)
            ]
    return found


def _valued(items: Sequence[Item]) -> list[Item]:
    return [item for item in items if item.value is not None]


def _binary(symbol: str, left: list[Item], right: list[Item]) -> Any:
    left, right = _valued(left), _valued(right)
    if symbol in ("and", "or"):
        sides = {_single(left), _single(right)}
        decisive = symbol == "or"
        return decisive if decisive in sides else (None if None in sides else not decisive)
    if not left or not right:
        return None
    if symbol in ("=", "!=") and left[0].type not in TEMPORAL:
        equal = [item.value for item in left] == [item.value for item in right]
        return equal if symbol == "=" else not equal
    one, other = _single(left), _single(right)
    if left[0].type in TEMPORAL:
        one, other = _same_precision(one, other)
        if one is None:
            return None
    return _computed(symbol, one, other)


def _computed(symbol: str, one: Any, other: Any) -> Any:
    if symbol == "/" and other == 0:
        return None
    return OPERATIONS[symbol](one, other)


def _same_precision(one: str, other: str) -> tuple[Any, Any]:
    if len(one) > 10 and len(other) > 10:
        return datetime.fromisoformat(one).astimezone(UTC), datetime.fromisoformat(other).astimezone(UTC)
    shorter = min(len(one), len(other), 10)
    if len(one) != len(other) and one[:shorter] == other[:shorter]:
        return None, None
    return one, other


OPERATIONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


@dataclass(frozen=True)
class Invocation:
    """A function call: what it is applied to, the focus of its plain arguments, and these as syntax."""

    base: list[Item]
    focus: list[Item]
    arguments: tuple[Node, ...]
    context: Context

    def argument(self, place: int) -> list[Item]:
        return evaluate(self.arguments[place], self.focus, self.context)


def _where(call: Invocation) -> list[Item]:
    return [item for item in _valued(call.base) if _is_true(call, item)]


def _is_true(call: Invocation, item: Item) -> bool:
    return _single(evaluate(call.arguments[0], [item], call.context)) is True


def _exists(call: Invocation) -> list[Item]:
    return [Item(bool(_where(call) if call.arguments else _valued(call.base)), "boolean")]


def _empty(call: Invocation) -> list[Item]:
    return [Item(not _valued(call.base), "boolean")]


def _not(call: Invocation) -> list[Item]:
    return [Item(not item.value, "boolean") for item in _valued(call.base)]


def _first(call: Invocation) -> list[Item]:
    return _valued(call.base)[:1]


def _count(call: Invocation) -> list[Item]:
    return [Item(len(_valued(call.base)), "integer")]


def _join(call: Invocation) -> list[Item]:
    separator = _single(call.argument(0)) if call.arguments else ""
    texts = [item.value for item in _valued(call.base)]
    return [Item(separator.join(texts), "string")] if texts else []


def _iif(call: Invocation) -> list[Item]:
    place = 1 if _single(call.argument(0)) is True else 2
    return call.argument(place) if place < len(call.arguments) else []


def _of_type(call: Invocation) -> list[Item]:
    return [item for item in call.base if item.type == _type_name(call.arguments[0])]


def _extension(call: Invocation) -> list[Item]:
    owners = [
        item if isinstance(item.value, dict) else Item(item.companion, PRIMITIVE_COMPANION)
        for item in call.base
    ]
    found = _children(owners, "extension", call.context)
    return [item for item in found if item.value.get("url") == _single(call.argument(0))]


def _resource_key(call: Invocation) -> list[Item]:
    return [Item(f"{call.context.center_id}/{call.context.resource.value['id']}", "string")]


def _reference_keys(call: Invocation) -> list[Item]:
    target = _type_name(call.arguments[0]) if call.arguments else "[A-Z][A-Za-z]+"
    keys = (_reference_key(item.value.get("reference"), target, call.context) for item in _valued(call.base))
    return [Item(key, "string") for key in keys if key is not None]


FUNCTIONS: Mapping[str, Callable[[Invocation], list[Item]]] = {
    "where": _where,
    "exists": _exists,
    "empty": _empty,
    "not": _not,
    "first": _first,
    "count": _count,
    "join": _join,
    "iif": _iif,
    "ofType": _of_type,
    "extension": _extension,
    "getResourceKey": _resource_key,
    "getReferenceKey": _reference_keys,
}


def _type_name(node: Node) -> str:
    assert isinstance(node, Member)
    return node.name


def _reference_key(text: str | None, target: str, context: Context) -> str | None:
    relative = (text or "").removeprefix(context.base_url.rstrip("/") + "/")
    match = re.fullmatch(rf"{target}/([A-Za-z0-9.-]{{1,64}})(/_history/[A-Za-z0-9.-]{{1,64}})?", relative)
    return f"{context.center_id}/{match[1]}" if match else None
