"""A ViewDefinition as one typed DuckDB SELECT over the JSON of resources.

The statement parses each resource once (`json_transform` with a schema pruned to what the view reads) and
turns it into rows with native list functions. A resource on which the view cannot be evaluated (more than one
value in a single column, a number that is none) gives no rows and is listed by `CompiledView.rejects_sql`:
one bad resource never fails the night. Text of a view reaches the statement only through `literal` and
`identifier`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mappings.compiler_columns import RowColumn
from mappings.compiler_paths import condition
from mappings.compiler_rejects import reason
from mappings.compiler_rows import Rows, compile_selects, render
from mappings.compiler_values import (
    ROOT,
    ROW,
    Build,
    Scope,
    Shape,
    TypedValue,
    Value,
    identifier,
    literal,
    located,
)
from mappings.errors import ViewError
from mappings.fhirpath import parse
from mappings.schema import type_info
from mappings.viewdef import ViewDefinition

# No column of a view can be called this.
_ROW_FIELD = identifier("a row")
_VERSION_PREFIXES = {"R4": ("4.0", "4.3"), "R5": ("5.0",)}


@dataclass(frozen=True, slots=True)
class CompiledColumn:
    """A column of a view's rows: its name, DuckDB type, and description ('' when the view gives none)."""

    name: str
    sql_type: str
    description: str


@dataclass(frozen=True, slots=True)
class CompiledView:
    """A view ready to run.

    `sql` is one SELECT of the carried columns, then `columns`. `rejects_sql` is one SELECT of `center_id`,
    `resource_id` and `reason` (text without content) of the resources left out because the view fails on
    them; it gives no rows for a strict view. `elements` are the top-level elements of the resource it reads.
    Where there `is_row_each`, whatever resource the view does not fail on gives one row.
    """

    sql: str
    rejects_sql: str
    columns: tuple[CompiledColumn, ...]
    resource: str
    elements: tuple[str, ...]
    is_row_each: bool


def compile_view(
    view: ViewDefinition,
    *,
    fhir_version: str,
    source: str = "resource",
    carry: Sequence[str] = (),
    strict: bool = False,
) -> CompiledView:
    """Compile a view for one FHIR version ('R4' or 'R5').

    `source` is the SQL of a relation with the columns center_id, base_url, resource_type, resource_id and
    body (JSON text), a name or a bracketed SELECT; it is not quoted. `carry` names columns of it to repeat
    before the view's own. With `strict`, a resource on which the view fails ends the statement with an error.
    Raises `ViewError` naming the place for everything that can be known to be wrong before any data is read.
    """
    try:
        return _compile(view, _Target(fhir_version, source, tuple(carry), strict))
    except ViewError as error:
        raise ViewError(f"{view.origin}: {error.message}", error.next_step) from None


@dataclass(frozen=True, slots=True)
class _Target:
    fhir_version: str
    source: str
    carry: tuple[str, ...]
    strict: bool


@dataclass(frozen=True, slots=True)
class _Statement:
    """The parts of the SELECT; `rows` is the list of a resource's rows, `test` the view's where."""

    view: ViewDefinition
    rows: Rows
    test: str
    build: Build
    root: Shape
    target: _Target

    @property
    def is_row_each(self) -> bool:
        return not (self.rows.loops or self.test)

    @property
    def _is_guarded(self) -> bool:
        return bool(self.build.fallible) and not self.target.strict

    def select(self) -> str:
        if self.is_row_each and not self._is_guarded:
            fields = [f"{column.sql} AS {identifier(column.name)}" for column in self.rows.columns]
            return f"SELECT {', '.join([*self._carried(ROW), *fields])}\n{self._source()}"
        # A resource of one row needs no list of rows: only what can fail goes through the guard.
        safe = [column for column in self.rows.columns if self.is_row_each and not self._can_fail(column)]
        listed = replace(self.rows, columns=tuple(c for c in self.rows.columns if c not in safe))
        made = self.build.guarded(self._made(listed)) if self._is_guarded else self._made(listed)
        plain = [f"{column.sql} AS {identifier(column.name)}" for column in safe]
        inner = ", ".join([*self._carried(ROW), *plain, f"unnest({made}) AS {_ROW_FIELD}"])
        fields = [
            f"{'v' if column in safe else f'v.{_ROW_FIELD}'}.{identifier(column.name)}"
            for column in self.rows.columns
        ]
        outer = ", ".join([*self._carried("v"), *fields])
        return f"SELECT {outer}\nFROM (SELECT {inner}\n{self._source()}) AS v"

    def _can_fail(self, column: RowColumn) -> bool:
        return f"column {column.name}" in self.build.fallible

    def rejects(self) -> str:
        failed, said = "FALSE", "''"
        if self._is_guarded:
            failed = f"TRY({{made: {self._made(self.rows)}}}) IS NULL"
            said = reason(self.view, self.build, self.test)
        return (
            f"SELECT {ROW}.center_id, {ROW}.resource_id, {said} AS reason\n{self._source()}\nWHERE {failed}"
        )

    def _made(self, rows: Rows) -> str:
        # The condition stands inside the expression: as a WHERE, DuckDB would parse each JSON text twice.
        made = render(rows)
        return f"CASE WHEN {self.test} THEN {made} END" if self.test else made

    def _carried(self, relation: str) -> list[str]:
        return [f"{relation}.{identifier(name)}" for name in self.target.carry]

    def _source(self) -> str:
        node = f"json_transform(body, {literal(self.root.json_schema())}) AS node"
        is_resource = f"resource_type = {literal(self.build.resource)}"
        # The source is ours, not the view's; every text of the view went through literal().
        return f"FROM (SELECT *, {node} FROM {self.target.source} WHERE {is_resource}) AS {ROW}"  # noqa: S608


def _compile(view: ViewDefinition, target: _Target) -> CompiledView:
    _check_version(view, target.fhir_version)
    if not type_info(target.fhir_version, view.resource).is_resource:
        raise ViewError(f"{view.resource} is a data type, not a resource.", "Name a resource type.")
    build = Build(target.fhir_version, view.resource, _constants(view))
    root = Shape()
    scope = Scope(build, Value(ROOT, view.resource, shape=root), is_root=True)
    rows = compile_selects(view.select, scope, "select")
    test = _where(view, scope)
    _check_names([*target.carry, *(column.name for column in rows.columns)])
    statement = _Statement(view, rows, test, build, root, target)
    columns = tuple(CompiledColumn(found.name, found.sql_type, found.description) for found in rows.columns)
    elements = tuple(sorted(root.children))
    return CompiledView(
        sql=statement.select(),
        rejects_sql=statement.rejects(),
        columns=columns,
        resource=view.resource,
        elements=elements,
        is_row_each=statement.is_row_each,
    )


def _check_version(view: ViewDefinition, fhir_version: str) -> None:
    prefixes = _VERSION_PREFIXES.get(fhir_version)
    if prefixes is None:
        known = ", ".join(_VERSION_PREFIXES)
        raise ViewError(f"FHIR version {fhir_version!r} is not supported.", f"Use one of {known}.")
    if view.fhir_version and not any(stated.startswith(prefixes) for stated in view.fhir_version):
        raise ViewError(
            f"the view is for FHIR {', '.join(view.fhir_version)}, not for {fhir_version}.",
            "Add the version to fhirVersion, or write a view for it.",
        )


def _constants(view: ViewDefinition) -> dict[str, tuple[str, TypedValue]]:
    found: dict[str, tuple[str, TypedValue]] = {}
    for constant in view.constant:
        if constant.name in found or constant.name == "rowIndex":
            raise ViewError(f"the constant {constant.name} is defined twice.", "Rename or remove one.")
        found[constant.name] = constant.typed_value
    return found


def _where(view: ViewDefinition, scope: Scope) -> str:
    tests = []
    for number, where in enumerate(view.where):
        with located(f"where[{number}]", where.path):
            scope.build.place = f"where[{number}]"
            tests.append(condition(parse(where.path), scope, f"where: {where.path}"))
    return " AND ".join(tests)


def _check_names(names: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in names:
        # DuckDB's names do not tell upper from lower case.
        if name.lower() in seen:
            raise ViewError(f"two columns are named {name}.", "Give every column its own name.")
        seen.add(name.lower())
