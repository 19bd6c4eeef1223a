"""Spark SQL expressions as they are put together: text, kind, and where DuckDB could not compute them.

A view's statement says `TRY(…)` where a resource may not fit it. Spark has nothing like that, so each term
carries SQL of its own failing: true for the rows on which DuckDB would have failed, within the same cases and
lambdas. A guard then asks instead of trying.
"""

import json
import re
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

# What a term holds: the name of a type, the kinds of a struct's fields, or the kind of a list's items.
Kind: TypeAlias = str | dict[str, "Kind"] | list["Kind"]
TEXT, INTEGER, BIGINT, DOUBLE, BOOLEAN = "VARCHAR", "INTEGER", "BIGINT", "DOUBLE", "BOOLEAN"
DECIMAL, NULL = "DECIMAL", "NULL"
SIZE = "SIZE"  # a length, a position or a written number: far from the end of its type
# Spark's JSON reader takes 5.0 and 1E+2 for no integers, FHIR servers do send them: such leaves stay text
# until they are read.
_AS_TEXT = {INTEGER: "INTEGER as text", BIGINT: "BIGINT as text", BOOLEAN: "BOOLEAN as text"}
_READ = {
    "INTEGER as text": (INTEGER, "try_cast(round(try_cast({} AS DECIMAL(38, 9))) AS INT)"),
    "BIGINT as text": (BIGINT, "try_cast(round(try_cast({} AS DECIMAL(38, 9))) AS BIGINT)"),
    "BOOLEAN as text": (BOOLEAN, "try_cast({} AS BOOLEAN)"),
}
_SIMPLE = re.compile(r"\w+(\.`[^`]+`)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Term:
    """Spark SQL of an expression; `fails` is SQL that is true where DuckDB's would fail, '' for nowhere."""

    sql: str
    kind: Kind = TEXT
    fails: str = ""


def literal(text: str) -> str:
    """Text as a Spark string literal, in which a backslash escapes."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def quoted(name: str) -> str:
    """A name as a quoted Spark identifier."""
    return "`" + name.replace("`", "``") + "`"


def any_of(*tests: str) -> str:
    """The tests that there are, joined by OR; '' without any."""
    found = [test for test in tests if test]
    return f"({' OR '.join(found)})" if len(found) > 1 else "".join(found)


def item_of(kind: Kind) -> Kind:
    """The kind of a list's items."""
    return kind[0] if isinstance(kind, list) else TEXT


def field(base: Term, name: str) -> Term:
    """A field of a struct; a leaf of JSON that was kept as text becomes what it is."""
    kind = base.kind.get(name, TEXT) if isinstance(base.kind, dict) else TEXT
    sql = base.sql if _SIMPLE.fullmatch(base.sql) else f"({base.sql})"
    found = Term(f"{sql}.{quoted(name)}", kind, base.fails)
    if isinstance(kind, list) and isinstance(kind[0], str) and kind[0] in _READ:
        read_kind, read = _READ[kind[0]]
        return replace(found, sql=f"transform({found.sql}, leaf -> {read.format('leaf')})", kind=[read_kind])
    if isinstance(kind, str) and kind in _READ:
        read_kind, read = _READ[kind]
        return replace(found, sql=read.format(found.sql), kind=read_kind)
    return found


def from_json(text: Term, schema: str) -> Term:
    """`json_transform` of JSON text with a schema of DuckDB's form."""
    tree = json.loads(schema)
    if isinstance(tree, str):
        return text
    fields = ", ".join(f"{quoted(name)} {_type(child)}" for name, child in tree.items())
    return Term(f"from_json({text.sql}, {literal(fields)})", _kind(tree), text.fails)


def json_items(text: Term, path: str) -> Term:
    """`json_extract` of a path of element names, `$.item[*].answer`: the JSON text found, or a list of it."""
    found, is_list = text, False
    for step in path.removeprefix("$.").split("."):
        name = step.removesuffix("[*]")
        steps_down = name != step
        schema = literal(f"{quoted(name)} {'ARRAY<STRING>' if steps_down else 'STRING'}")
        read = f"from_json({'item' if is_list else found.sql}, {schema}).{quoted(name)}"
        if is_list:
            read = f"transform({found.sql}, item -> {read})"
            read = f"flatten(filter({read}, items -> items IS NOT NULL))" if steps_down else read
        is_list = is_list or steps_down
        found = Term(read, [TEXT] if is_list else TEXT, text.fails)
    return found


def _type(tree: Any) -> str:
    if isinstance(tree, list):
        return f"ARRAY<{_type(tree[0])}>"
    if isinstance(tree, dict):
        return f"STRUCT<{', '.join(f'{quoted(name)}: {_type(child)}' for name, child in tree.items())}>"
    return "STRING"


def _kind(tree: Any) -> Kind:
    if isinstance(tree, list):
        return [_kind(tree[0])]
    if isinstance(tree, dict):
        return {name: _kind(child) for name, child in tree.items()}
    return _AS_TEXT.get(str(tree), TEXT)
