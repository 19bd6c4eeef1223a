"""Why a view fails on a resource: SQL that names the columns, conditions and iterations at fault.

The row form knows only that a resource gives no rows. Here each place that can fail is evaluated by itself,
with every other column left empty; that is done for the rejected resources alone.
"""

from collections.abc import Sequence

from mappings.compiler_rows import compile_selects, render
from mappings.compiler_values import ROOT, Build, Scope, Shape, Value, behind_lambda, literal
from mappings.viewdef import Column, Select, ViewDefinition

_COLUMN = "column "
_WHAT = "more than one value, or a value that does not fit, in: "


def reason(view: ViewDefinition, build: Build, test: str) -> str:
    """SQL text that names the places at fault among `build.fallible`; `test` is the view's condition.

    It is evaluated on the transformed resource of the view itself, whose shape holds all that is read here.
    """
    places = list(build.fallible)
    columns = [place for place in places if place.startswith(_COLUMN)]
    wheres = [place for place in places if place.startswith("where[")]
    loops = [place for place in places if place not in (*columns, *wheres)]

    def made(kept: str | None) -> str:
        probe = Build(build.fhir_version, view.resource, build.constants)
        scope = Scope(probe, Value(ROOT, view.resource, shape=Shape()), is_root=True)
        return render(compile_selects(_blanked(view.select, kept), scope, "select"))

    # An iteration that fails takes every column of its rows with it.
    in_columns = [_failing(made(column.removeprefix(_COLUMN)), [column]) for column in columns]
    in_rows = [_failing(made(None), loops)] if loops else []
    in_rows += [f"concat_ws(', ', {', '.join(in_columns)})"] if in_columns else []
    found = [f"coalesce({', '.join(in_rows)})"] if in_rows else []
    found += [_failing(test, wheres)] if wheres else []
    named = f"list_filter([{', '.join(found)}], lambda place: place <> '')"
    return f"{literal(_WHAT)} || array_to_string({named}, ', ')"


def _failing(sql: str, places: Sequence[str]) -> str:
    return f"CASE WHEN {behind_lambda(f'{{made: {sql}}}')} IS NULL THEN {literal(', '.join(places))} END"


def _blanked(selects: Sequence[Select], kept: str | None) -> tuple[Select, ...]:
    """The selects with every column but the one kept left empty: the same rows, whose values cannot fail."""
    return tuple(
        select.model_copy(
            update={
                "column": tuple(
                    column if column.name == kept else Column(name=column.name, path="{}", type="string")
                    for column in select.column
                ),
                "select": _blanked(select.select, kept),
                "union_all": _blanked(select.union_all, kept),
            }
        )
        for select in selects
    )
