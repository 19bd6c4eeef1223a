"""Recursive statements on Spark: `UNION DISTINCT` in them is worked off step by step until nothing is new.

Spark knows only `UNION ALL` there, which never ends on data that go round in a circle.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlglot import exp

from warehouse.engines.dialect import render

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_Keep = Callable[["DataFrame"], "DataFrame"]


class Recursion:
    """The frames of parsed statements of one session; `keep` gives the same rows, computed once."""

    def __init__(self, session: "SparkSession", keep: _Keep) -> None:
        self._session = session
        self._keep = keep

    def frame(self, tree: exp.Expr) -> "DataFrame":
        """The rows of a statement; its recursive parts are made first and stand in it as views."""
        clause = tree.args.get("with_")
        for part in list(clause.expressions) if clause is not None and clause.recursive else []:
            if _is_recursive(part):
                view = f"reached_{part.alias}"
                self._reached(tree, part).createOrReplaceTempView(view)
                part.set("this", exp.select("*").from_(view))
        return self._session.sql(render(tree))

    def _reached(self, tree: exp.Expr, part: exp.CTE) -> "DataFrame":
        """All rows of a recursive part: those of its base, and what each step adds to the last ones."""
        before, step = _parts_before(tree, part), f"step_{part.alias}"
        base = self._run(before, part.this.this)
        names = part.alias_column_names or base.columns
        new = found = self._keep(base.toDF(*names).distinct())
        while new.head(1):
            new.createOrReplaceTempView(step)
            added = self._run(before, _reading(part.this.expression, part.alias, step)).toDF(*names)
            new = self._keep(added.subtract(found))
            found = self._keep(found.union(new))
        return found

    def _run(self, before: list[exp.CTE], select: exp.Expr) -> "DataFrame":
        statement = select.copy()
        if before:
            statement.set("with_", exp.With(expressions=[each.copy() for each in before]))
        return self._session.sql(render(statement))


def _is_recursive(part: exp.CTE) -> bool:
    union = part.this
    if not isinstance(union, exp.Union) or not union.args.get("distinct"):
        return False
    return any(table.name == part.alias and not table.db for table in union.expression.find_all(exp.Table))


def _parts_before(tree: exp.Expr, part: exp.CTE) -> list[exp.CTE]:
    parts = tree.args["with_"].expressions
    return list(parts[: parts.index(part)])


def _reading(select: exp.Expr, part: str, view: str) -> exp.Expr:
    """The statement with `view` in place of the recursive part, under the name it has there."""
    statement = select.copy()
    for table in list(statement.find_all(exp.Table)):
        if table.name == part and not table.db:
            table.replace(exp.alias_(exp.to_table(view), table.alias_or_name, table=True))
    return statement
