"""The columns of a view as SQL: one value or a list, in the SQL type that the view declares.

A column's `type` is a FHIR type; dates and times stay text as sent (the default of SQL on FHIR, and the only
form that keeps a partial date). An `ansi/type` tag asks for another SQL type; a value that does not fit it
fails its resource, never silently.
"""

import re
from dataclasses import dataclass, replace

from mappings.compiler_paths import value_of
from mappings.compiler_values import (
    EMPTY,
    INTEGERS,
    Build,
    Scope,
    Value,
    as_list,
    family,
    located,
    number,
    single,
    sql_type,
    transformed,
)
from mappings.errors import ViewError
from mappings.fhirpath import parse
from mappings.viewdef import Column

_PRIMITIVES = (
    "base64Binary", "boolean", "canonical", "code", "date", "dateTime", "decimal", "id", "instant", "integer",
    "integer64", "markdown", "oid", "positiveInt", "string", "time", "unsignedInt", "uri", "url", "uuid",
    "xhtml",
)  # fmt: skip
_ANSI_TYPES = {
    "CHARACTER VARYING": "VARCHAR", "VARCHAR": "VARCHAR", "BOOLEAN": "BOOLEAN", "SMALLINT": "SMALLINT",
    "INTEGER": "INTEGER", "BIGINT": "BIGINT", "DOUBLE PRECISION": "DOUBLE", "DATE": "DATE",
    "TIMESTAMP": "TIMESTAMP",
}  # fmt: skip
_ANSI_DECIMAL = re.compile(r"(?:DECIMAL|NUMERIC)\s*\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)", re.IGNORECASE)
_ANSI_LENGTH = re.compile(r"\s*\(\s*\d+\s*\)$")


@dataclass(frozen=True, slots=True)
class RowColumn:
    """A column of the row: its SQL is valid inside the loops of its select."""

    name: str
    sql: str
    sql_type: str
    description: str


def compile_column(column: Column, scope: Scope, place: str) -> RowColumn:
    """One column of a select; raises `ViewError` for a path, a type or a tag that cannot be."""
    with located(f"{place} {column.name}", column.path):
        scope.build.place = f"column {column.name}"
        value = value_of(parse(column.path), scope)
        if not value.is_primitive:
            raise ViewError(
                f"a column holds values, and this is an object of type {value.type}.",
                "Name one of its elements.",
            )
        target = _target(column, value)
        sql = (
            _collected(scope.build, value, target)
            if column.collection
            else _converted(scope.build, value, target)
        )
    return RowColumn(
        column.name, sql, f"{target}[]" if column.collection else target, column.description or ""
    )


def empty_column(column: Column) -> RowColumn:
    """A column that never has a value, in its declared type."""
    target = _target(column, Value("NULL", EMPTY)) + ("[]" if column.collection else "")
    return RowColumn(column.name, f"CAST(NULL AS {target})", target, column.description or "")


def _target(column: Column, value: Value) -> str:
    if column.ansi_type is not None:
        return _ansi_type(column.ansi_type)
    if column.type is None:
        if value.type == EMPTY:
            raise ViewError("a column that is always empty needs a type.", "Declare one, such as string.")
        return sql_type(value.type)
    declared = column.type.rpartition("/")[2]
    if declared not in _PRIMITIVES:
        raise ViewError(
            f"{column.type!r} is not a type of a column.", f"Use one of: {', '.join(_PRIMITIVES)}."
        )
    if not _fits(value.type, declared):
        raise ViewError(
            f"declared {declared}, but the path gives {value.type}.", "Correct the type or the path."
        )
    return sql_type(declared)


def _fits(found: str, declared: str) -> bool:
    """Whether values of one FHIR type may be shown as another without losing anything."""
    if found == EMPTY or sql_type(declared) == "VARCHAR":
        return True
    if declared in INTEGERS:
        return found in INTEGERS
    return family(found) == family(declared)


def _ansi_type(text: str) -> str:
    decimal = _ANSI_DECIMAL.fullmatch(text.strip())
    if decimal is not None:
        precision, scale = int(decimal[1]), int(decimal[2])
        if 1 <= precision <= 38 and scale <= precision:
            return f"DECIMAL({precision},{scale})"
    name = " ".join(_ANSI_LENGTH.sub("", text).upper().split())
    if name not in _ANSI_TYPES:
        known = ", ".join([*_ANSI_TYPES, "DECIMAL(p,s)"])
        raise ViewError(f"the ansi/type tag {text!r} is not supported.", f"Use one of: {known}.")
    return _ANSI_TYPES[name]


def _collected(build: Build, value: Value, target: str) -> str:
    none = f"CAST([] AS {target}[])"
    if value.type == EMPTY:
        return none
    items = as_list(value)

    def convert(name: str) -> str:
        return _converted(build, replace(value, sql=name, is_list=False), target)

    same = convert("x") == "x"
    sql = items.sql if same else transformed(build, items.sql, convert)
    return f"coalesce({sql}, {none})"


def _converted(build: Build, value: Value, target: str) -> str:
    one = single(build, value)
    if one.type == EMPTY:
        return f"CAST(NULL AS {target})"
    if one.is_text and target == "DOUBLE":
        return number(build, one)
    if target == ("VARCHAR" if one.is_text else sql_type(one.type)):
        # Computed integers are BIGINT; elements have their type already.
        return one.sql if one.shape or target != "INTEGER" else f"CAST({one.sql} AS INTEGER)"
    if target == "VARCHAR":
        return f"CAST({one.sql} AS VARCHAR)"
    return build.may_fail(_cast(one, target))


def _cast(one: Value, target: str) -> str:
    """A value in an SQL type that it may not fit."""
    if target == "DATE":
        return f"CAST(left({one.sql}, 10) AS DATE)"
    if target == "TIMESTAMP":
        # Without a time of day there is no instant; the cast of that text fails, as it should.
        with_time = f"CAST({one.sql} AS TIMESTAMPTZ) AT TIME ZONE 'UTC'"
        without = f"CAST({one.sql} || ' has no time' AS TIMESTAMP)"
        return f"CASE WHEN length({one.sql}) > 10 THEN {with_time} ELSE {without} END"
    return f"CAST({one.sql} AS {target})"
