"""`repeat`: all elements reached by following paths again and again, as one SQL list of JSON objects.

Nesting has no bound in FHIR but needs one in a typed statement: the walk is written out to `MAX_DEPTH`
levels, and a resource that nests deeper fails instead of losing its deepest rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mappings.compiler_values import ROOT, ROW, Build, Scope, literal, read_whole
from mappings.errors import ViewError
from mappings.fhirpath import Member, Node, parse
from mappings.schema import Element, type_info

MAX_DEPTH = 12


@dataclass(frozen=True, slots=True)
class _Path:
    """Element names from one object to the next."""

    elements: tuple[Element, ...]

    @property
    def json_path(self) -> str:
        return "$" + "".join(f".{part.name}{'[*]' if part.is_list else ''}" for part in self.elements)


def repeated(paths: Sequence[str], scope: Scope) -> tuple[str, str] | None:
    """The nodes in document order, parents first, and their FHIR type; None when no path leads anywhere.

    Raises `ViewError` for a path that is not plain element names, and for nodes of different types.
    """
    names = [_names(parse(path)) for path in paths]
    version = scope.build.fhir_version
    starts = [found for path in names if (found := _find(version, scope.focus.type, path)) is not None]
    if not starts:
        return None
    types = {start.elements[-1].type for start in starts}
    node_type = types.pop()
    steps = [found for path in names if (found := _find(version, node_type, path)) is not None]
    types |= {step.elements[-1].type for step in steps} - {node_type}
    if types:
        raise ViewError(
            f"the paths lead to {node_type} and to {', '.join(types)}.", "Follow one type at a time."
        )
    return _walk(scope.build, _start(scope, starts), steps, 1), node_type


def _names(node: Node) -> tuple[str, ...]:
    if isinstance(node, Member):
        return (*(_names(node.base) if node.base is not None else ()), node.name)
    raise ViewError("repeat follows plain element names only.", "Write for example item or answer.item.")


def _find(version: str, type_name: str, names: Sequence[str]) -> _Path | None:
    elements: list[Element] = []
    for name in names:
        found = None if type_name[0].islower() else type_info(version, type_name).elements.get(name)
        if found is None:
            return None
        elements.append(found)
        type_name = found.type
    return None if elements[-1].is_primitive else _Path(tuple(elements))


def _start(scope: Scope, paths: Sequence[_Path]) -> str:
    if scope.focus.sql == ROOT:
        return _children(f"{ROW}.body", paths)
    lists = [_from_struct(scope, path) for path in paths]
    return f"list_concat({', '.join(lists)})" if len(lists) > 1 else lists[0]


def _from_struct(scope: Scope, path: _Path) -> str:
    first, rest = path.elements[0], _Path(path.elements[1:])
    sql = read_whole(scope.build, scope.focus, first)
    items = sql if first.is_list else f"CASE WHEN {sql} IS NOT NULL THEN [{sql}] END"
    if not rest.elements:
        return items
    name = scope.build.fresh()
    return f"flatten(list_transform({items}, lambda {name}: {_extract(name, rest)}))"


def _children(sql: str, paths: Sequence[_Path]) -> str:
    lists = [_extract(sql, path) for path in paths]
    return f"list_concat({', '.join(lists)})" if len(lists) > 1 else lists[0]


def _extract(sql: str, path: _Path) -> str:
    found = f"json_extract({sql}, {literal(path.json_path)})"
    has_list = any(part.is_list for part in path.elements)
    return found if has_list else f"CASE WHEN {found} IS NOT NULL THEN [{found}] END"


def _walk(build: Build, nodes: str, steps: Sequence[_Path], depth: int) -> str:
    """`nodes`, each followed by everything below it."""
    if not steps:
        return nodes
    name = build.fresh()
    below = _children(name, steps)
    if depth == MAX_DEPTH:
        message = literal(f"nested deeper than {MAX_DEPTH} in {build.place}: ")
        cast = build.may_fail(f"CAST({message} || len({below}) AS INTEGER)")
        failing = f"CASE WHEN len({below}) > 0 THEN {cast} ELSE 1 END"
        return f"list_transform({nodes}, lambda {name}: [{name}][{failing}])"
    rest = _walk(build, below, steps, depth + 1)
    return f"flatten(list_transform({nodes}, lambda {name}: list_concat([{name}], {rest})))"
