"""The selects of a view as SQL: columns, and the loops (`forEach`, `repeat`, `unionAll`) that make rows.

A select becomes columns plus loops. Loops are nested `list_transform`s over the lists of one resource, so a
resource's rows are one list expression and nothing is ever joined: siblings are loops within each other, a
union is a concatenation. `render` writes the expression.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mappings.compiler_columns import RowColumn, compile_column, empty_column
from mappings.compiler_paths import value_of
from mappings.compiler_repeat import repeated
from mappings.compiler_values import (
    EMPTY,
    Scope,
    Shape,
    Value,
    as_list,
    field_of,
    identifier,
    literal,
    located,
)
from mappings.errors import ViewError
from mappings.fhirpath import parse
from mappings.viewdef import Select


@dataclass(frozen=True, slots=True)
class Loop:
    """One iteration: over `items`, with lambda parameters for the item and its position from 1."""

    items: str
    item: str
    position: str


@dataclass(frozen=True, slots=True)
class Rows:
    """The columns of a select, and the loops in whose bodies their SQL is valid, outermost first."""

    columns: tuple[RowColumn, ...]
    loops: tuple[Loop, ...] = ()

    @property
    def signature(self) -> list[tuple[str, str]]:
        """Names and SQL types, in order: what the branches of a union must share."""
        return [(column.name, column.sql_type) for column in self.columns]


def render(rows: Rows) -> str:
    """One SQL list of structs: the rows of one resource."""
    fields = ", ".join(f"{identifier(column.name)}: {column.sql}" for column in rows.columns)
    body, is_list = f"{{{fields}}}", False
    for loop in reversed(rows.loops):
        uses_position = loop.position in body
        names = f"{loop.item}, {loop.position}" if uses_position else loop.item
        mapped = f"list_transform({loop.items}, lambda {names}: {body})"
        body, is_list = (f"flatten({mapped})" if is_list else mapped), True
    return body if is_list else f"[{body}]"


def compile_selects(selects: Sequence[Select], scope: Scope, place: str) -> Rows:
    """Sibling selects: every row of the one with every row of the other."""
    parts = [compile_select(select, scope, f"{place}[{number}]") for number, select in enumerate(selects)]
    return _crossed(parts)


def compile_select(select: Select, scope: Scope, place: str) -> Rows:
    """One select with all it holds; raises `ViewError` naming the place of what is wrong."""
    if select.for_each is not None:
        return _for_each(select, scope, (f"{place}.forEach", select.for_each))
    if select.for_each_or_null is not None:
        return _for_each(select, scope, (f"{place}.forEachOrNull", select.for_each_or_null), or_null=True)
    if select.repeat is not None:
        return _repeat(select, scope, place)
    return _body(select, scope, place)


def _crossed(parts: Sequence[Rows]) -> Rows:
    columns = tuple(column for part in parts for column in part.columns)
    return Rows(columns, tuple(loop for part in parts for loop in part.loops))


def _body(select: Select, scope: Scope, place: str) -> Rows:
    columns = tuple(
        compile_column(column, scope, f"{place}.column[{number}]")
        for number, column in enumerate(select.column)
    )
    parts = [Rows(columns), compile_selects(select.select, scope, f"{place}.select")]
    if select.union_all:
        parts.append(_union(select.union_all, scope, f"{place}.unionAll"))
    rows = _crossed(parts)
    if not rows.columns:
        raise ViewError(f"{place} has no columns.", "Give it a column, or a select or unionAll with columns.")
    return rows


def _union(branches: Sequence[Select], scope: Scope, place: str) -> Rows:
    parts = [compile_select(branch, scope, f"{place}[{number}]") for number, branch in enumerate(branches)]
    for number, part in enumerate(parts):
        if part.signature != parts[0].signature:
            raise ViewError(
                f"{place}[{number}] has the columns {_described(part)}, "
                f"the first branch {_described(parts[0])}.",
                "Give every branch of a unionAll the same columns: names, types and order.",
            )
    item = scope.build.fresh()
    items = ", ".join(render(part) for part in parts)
    columns = tuple(replace(column, sql=field_of(item, column.name)) for column in parts[0].columns)
    return Rows(columns, (Loop(f"list_concat({items})", item, f"{item}_at"),))


def _described(rows: Rows) -> str:
    return ", ".join(f"{name} {sql_type}" for name, sql_type in rows.signature)


def _for_each(select: Select, scope: Scope, iteration: tuple[str, str], *, or_null: bool = False) -> Rows:
    path_place, path = iteration
    place = path_place.rpartition(".")[0]
    with located(path_place, path):
        scope.build.place = path_place
        found = value_of(parse(path), scope)
        if found.type == EMPTY:
            raise ViewError("there is nothing to iterate over.", "Name an element.")
    items = as_list(found).sql
    if or_null:
        items = (
            f"CASE WHEN len({items}) > 0 THEN {items} ELSE [NULL] END" if found.is_list else f"[{found.sql}]"
        )
    return _looped(select, scope, place, (items, replace(found, is_list=False)))


def _looped(select: Select, scope: Scope, place: str, over: tuple[str, Value]) -> Rows:
    items, found = over
    item = scope.build.fresh()
    loop = Loop(items, item, f"{item}_at")
    inner = Scope(scope.build, replace(found, sql=item), f"CAST({loop.position} - 1 AS INTEGER)")
    rows = _body(select, inner, place)
    return Rows(rows.columns, (loop, *rows.loops))


def _repeat(select: Select, scope: Scope, place: str) -> Rows:
    with located(f"{place}.repeat", ", ".join(select.repeat or ())):
        scope.build.place = f"{place}.repeat"
        found = repeated(select.repeat or (), scope)
    if found is None:
        return _no_rows(select, scope, place)
    nodes, node_type = found
    # The shape of a node is complete only after its columns are compiled; then the loop can be written.
    shape = Shape()
    rows = _looped(select, scope, place, ("", Value("", node_type, shape=shape)))
    node = scope.build.fresh()
    schema = literal(shape.json_schema())
    items = f"list_transform({nodes}, lambda {node}: json_transform({node}, {schema}))"
    return Rows(rows.columns, (replace(rows.loops[0], items=items), *rows.loops[1:]))


def _no_rows(select: Select, scope: Scope, place: str) -> Rows:
    """A repeat over elements that the type does not have: no rows, columns of their declared types."""
    columns = tuple(empty_column(column) for column in select.column)
    if not columns or select.select or select.union_all:
        raise ViewError(f"{place}.repeat names no element of {scope.focus.type}.", "Name one that repeats.")
    item = scope.build.fresh()
    return Rows(columns, (Loop("CAST([] AS INTEGER[])", item, f"{item}_at"),))
