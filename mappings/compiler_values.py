"""What the view compiler passes around: typed SQL expressions, and the shape of JSON they read.

A `Value` is a SQL expression that knows its FHIR type and whether it is a list. Lists never hold NULL, so
their length is the size of the FHIRPath collection. Reading an element notes it in a `Shape`; in the end the
shape of a resource is the pruned `json_transform` schema: one parse of the JSON text, typed, and nothing read
in vain.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, TypeAlias

from mappings import schema
from mappings.errors import ViewError
from mappings.fhirpath import Node

TypedValue: TypeAlias = str | int | bool | Decimal
INTEGERS = frozenset({"integer", "integer64", "positiveInt", "unsignedInt"})
NUMBERS = INTEGERS | {"decimal"}
TEMPORALS = frozenset({"date", "dateTime", "instant"})
EMPTY = "empty"
# The relation every view reads, and its column with the transformed JSON.
ROW = "r"
ROOT = f"{ROW}.node"
_SIMPLE = re.compile(r"[A-Za-z_]\w*(\.(\w+|\"[^\"]+\"))*", re.ASCII)


def literal(text: str) -> str:
    """Text as a SQL string literal: the only way text of a view enters a statement."""
    if "\x00" in text:
        raise ViewError("A text holds a NUL character, which SQL cannot.", "Remove the character.")
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def family(fhir_type: str) -> str:
    """The group of types that compare with each other: number, boolean, temporal, time, string or object."""
    if fhir_type in NUMBERS:
        return "number"
    if fhir_type in TEMPORALS:
        return "temporal"
    if fhir_type in ("boolean", "time", EMPTY):
        return fhir_type
    return "string" if fhir_type[0].islower() else "object"


def sql_type(fhir_type: str) -> str:
    """The SQL type of a column of that FHIR type.

    Decimals are DOUBLE: DuckDB's JSON reader holds numbers as doubles, so DECIMAL would promise digits that
    are gone before it sees them (measured: `5.10` arrives as 5.1, the 18th digit is lost in both).
    """
    if fhir_type in INTEGERS:
        return "BIGINT" if fhir_type == "integer64" else "INTEGER"
    return {"boolean": "BOOLEAN", "decimal": "DOUBLE"}.get(fhir_type, "VARCHAR")


@dataclass(slots=True)
class Shape:
    """One node of the JSON that a view reads; grows while paths are compiled."""

    leaf: str = "JSON"
    is_list: bool = False
    is_whole: bool = False
    children: "dict[str, Shape]" = field(default_factory=dict)

    def child(self, element: schema.Element) -> "Shape":
        """The node of an element below this one, noted if it is new."""
        leaf = _leaf(element.type) if element.is_primitive else "JSON"
        return self.children.setdefault(element.name, Shape(leaf, element.is_list))

    def json_schema(self) -> str:
        """The schema argument of `json_transform`."""
        return json.dumps(self.tree(), separators=(",", ":"))

    def tree(self) -> Any:
        """The same as JSON data: SQL types at the leaves."""
        if self.is_whole and self.children:
            raise ViewError(
                "repeat inside forEach reads an element that another path reads too.",
                "Move the repeat to the top of the view.",
            )
        node: Any = {name: child.tree() for name, child in self.children.items()} or self.leaf
        return [node] if self.is_list else node


def _leaf(fhir_type: str) -> str:
    # Decimals stay text until they are used: a boundary depends on the digits written.
    return "VARCHAR" if fhir_type == "decimal" else sql_type(fhir_type)


@dataclass(frozen=True, slots=True)
class Value:
    """A typed SQL expression: one value (NULL = empty) or, with `is_list`, a list without NULLs.

    `shape` is where elements below are noted, if it was read from JSON; `is_text` marks a decimal as text.
    """

    sql: str
    type: str
    is_list: bool = field(default=False, kw_only=True)
    shape: Shape | None = field(default=None, kw_only=True)
    is_text: bool = field(default=False, kw_only=True)

    @property
    def is_primitive(self) -> bool:
        """Whether it is a value, not an object."""
        return family(self.type) != "object"


@dataclass(frozen=True, slots=True)
class Choice:
    """A choice element (`value[x]`) whose type has not been named yet."""

    parent: Value
    name: str
    options: Mapping[str, schema.Element]


Result: TypeAlias = Value | Choice


@dataclass(slots=True)
class Build:
    """What one compilation collects: fresh names, and by place the SQL that can fail on a resource."""

    fhir_version: str
    resource: str
    constants: Mapping[str, tuple[str, TypedValue]]
    place: str = ""
    fallible: dict[str, list[str]] = field(default_factory=dict)
    _names: int = 0

    def fresh(self) -> str:
        """A lambda parameter not used before."""
        self._names += 1
        return f"x{self._names}"

    def may_fail(self, sql: str) -> str:
        """Note that `sql`, at the place being compiled, can fail on a resource's content; returns it."""
        self.fallible.setdefault(self.place, []).append(sql)
        return sql

    def guarded(self, sql: str) -> str:
        """SQL that is NULL where `sql` fails on a resource's content.

        DuckDB computes an expression that stands twice in a SELECT once, before and outside TRY, where its
        failure ends the statement; it does not look into lambdas for that.
        """
        failing = [part for parts in self.fallible.values() for part in parts if part in sql]
        if len(failing) > 1 or sum(sql.count(part) for part in failing) > 1:
            return behind_lambda(sql)
        return f"TRY({sql})"


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a path is evaluated: the focus, the index of the row, and the compilation it belongs to."""

    build: Build
    focus: Value
    row_index: str = "0"
    is_root: bool = False

    def on(self, focus: Value) -> "Scope":
        """The same scope, evaluated on another focus."""
        return Scope(self.build, focus, self.row_index)


@dataclass(frozen=True, slots=True)
class Invocation:
    """One function call: the scope, what it is applied to, and its arguments still as syntax."""

    scope: Scope
    name: str
    base: Result
    arguments: tuple[Node, ...]
    base_node: Node | None


def behind_lambda(sql: str) -> str:
    """`sql` within TRY, and out of sight of what DuckDB computes only once."""
    return f"TRY(list_transform([0], lambda guarded: {sql})[1])"


def field_of(sql: str, name: str) -> str:
    """A field of a struct expression."""
    return f"{sql}.{identifier(name)}" if _SIMPLE.fullmatch(sql) else f"({sql}).{identifier(name)}"


def transformed(build: Build, items: str, body: Callable[[str], str]) -> str:
    """`items` with `body` applied to each."""
    name = build.fresh()
    return f"list_transform({items}, lambda {name}: {body(name)})"


def present(build: Build, items: str) -> str:
    """`items` without NULLs."""
    name = build.fresh()
    return f"list_filter({items}, lambda {name}: {name} IS NOT NULL)"


def as_list(value: Value) -> Value:
    """The value as a list (NULL or empty when it is empty)."""
    if value.is_list:
        return value
    sql = f"CASE WHEN {value.sql} IS NOT NULL THEN [{value.sql}] END"
    return replace(value, sql=sql, is_list=True)


def single(build: Build, value: Value) -> Value:
    """The only element of a value; more than one fails the resource (as a cast, which `TRY` can catch)."""
    if not value.is_list:
        return value
    message = literal(f"more than one value in {build.place}: ")
    failing = build.may_fail(f"CAST({message} || len({value.sql}) AS INTEGER)")
    position = f"CASE WHEN len({value.sql}) > 1 THEN {failing} ELSE 1 END"
    return replace(value, sql=f"({value.sql})[{position}]", is_list=False)


def number(build: Build, value: Value) -> str:
    """The SQL of a number, or a list of them, read from text if need be."""
    if not value.is_text:
        return value.sql
    return build.may_fail(f"CAST({value.sql} AS {'DOUBLE[]' if value.is_list else 'DOUBLE'})")


def read(build: Build, base: Value, element: schema.Element) -> Value:
    """An element below a value: a struct field, or the fields of a list of structs as one list."""
    shape = _shape(base, element).child(element)
    if not base.is_list:
        sql = field_of(base.sql, element.name)
    else:
        sql = transformed(build, base.sql, lambda name: field_of(name, element.name))
        sql = f"flatten({sql})" if element.is_list else present(build, sql)
    if element.is_list:
        # FHIR pads arrays of primitives with null, so that a value and its extensions stand at one position.
        sql = present(build, sql)
    is_text = element.type == "decimal"
    is_list = base.is_list or element.is_list
    return Value(sql, element.type, is_list=is_list, shape=shape, is_text=is_text)


def read_whole(build: Build, base: Value, element: schema.Element) -> str:
    """The SQL of an element as JSON, whole, however deep it goes."""
    _shape(base, element).child(element).is_whole = True
    return read(build, base, element).sql


def _shape(base: Value, element: schema.Element) -> Shape:
    if base.shape is None:
        raise ViewError(f"{element.name} cannot be read from a computed value.", "Read it from an element.")
    return base.shape


@contextmanager
def located(place: str, path: str) -> Iterator[None]:
    """Add the place in the view and the path to a `ViewError` about it."""
    try:
        yield
    except ViewError as error:
        raise ViewError(f"{place} {path!r}: {error.message}", error.next_step) from None
