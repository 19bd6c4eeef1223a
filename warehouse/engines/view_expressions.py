"""Expressions of a view's statement, as sqlglot reads them from DuckDB's text, written for Spark.

Every primitive that the view compiler writes has its handler here or in `view_functions`; another one is an
error, never a guess. sqlglot reads the text and does nothing else: its own translation changes results.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlglot import exp

from mappings.errors import ViewError
from warehouse.engines import view_casts as casts
from warehouse.engines import view_terms as terms
from warehouse.engines.view_terms import BOOLEAN, DECIMAL, INTEGER, NULL, SIZE, TEXT, Kind, Term, any_of

_ARITHMETIC: Mapping[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*"}
_BOOLEAN: Mapping[type[exp.Expr], str] = {
    exp.EQ: "=", exp.NEQ: "<>", exp.GT: ">", exp.GTE: ">=", exp.LT: "<", exp.LTE: "<=", exp.And: "AND",
    exp.Or: "OR",
}  # fmt: skip

_DUCKDB_TYPES = {"TEXT": TEXT, "INT": INTEGER}


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes expressions whose names are `scope`; within a guard, what does not fit is NULL."""

    scope: Mapping[str, Term]
    functions: "Mapping[str, Function]"
    is_guarded: bool = field(default=False, kw_only=True)

    def term(self, node: exp.Expr) -> Term:
        """The expression in Spark; raises ViewError for one that the view compiler does not write."""
        for kinds, handler in _HANDLERS:
            if isinstance(node, kinds):
                return handler(self, node)
        raise unknown(type(node).__name__)

    def guarded(self) -> "Writer":
        """The same, within a guard."""
        return replace(self, is_guarded=True)

    def within(self, node: exp.Expr, item: Kind) -> tuple[list[str], Term]:
        """The parameters of a lambda over items of a kind, and its body."""
        if not isinstance(node, exp.Lambda):
            raise unknown("a list function without a lambda")
        names = [parameter.name for parameter in node.expressions]
        # DuckDB counts positions from 1, Spark from 0.
        inner = {names[0]: Term(names[0], item)} | {name: Term(f"({name} + 1)", SIZE) for name in names[1:]}
        return names, replace(self, scope={**self.scope, **inner}).term(node.this)

    def named(self, names: Sequence[str]) -> Term:
        """A column or lambda parameter, and the fields below it."""
        found = self.scope.get(names[0], Term(terms.quoted(names[0])))
        for name in names[1:]:
            found = terms.field(found, name)
        return found


Function = Callable[[Writer, Sequence[Any]], Term]


def unknown(what: str) -> ViewError:
    """What to raise for SQL that has no Spark form."""
    return ViewError(
        f"The view's statement uses {what}, which has no Spark form.", "Refresh with the engine duckdb."
    )


def _column(writer: Writer, node: Any) -> Term:
    return writer.named([part.name for part in node.parts])


def _identifier(writer: Writer, node: Any) -> Term:
    return writer.named([node.name])


def _dot(writer: Writer, node: Any) -> Term:
    return terms.field(writer.term(node.this), node.expression.name)


def _paren(writer: Writer, node: Any) -> Term:
    inner = writer.term(node.this)
    return replace(inner, sql=f"({inner.sql})")


def _literal(_: Writer, node: Any) -> Term:
    if node.is_string:
        return Term(terms.literal(node.this))
    return Term(node.this, DECIMAL if "." in node.this else SIZE)


def _null(_: Writer, __: Any) -> Term:
    return Term("NULL", NULL)


def _boolean(_: Writer, node: Any) -> Term:
    return Term("TRUE" if node.this else "FALSE", BOOLEAN)


def _not(writer: Writer, node: Any) -> Term:
    inner = writer.term(node.this)
    if isinstance(node.this, exp.Is):
        return replace(inner, sql=f"{inner.sql.removesuffix(' IS NULL)')} IS NOT NULL)")
    return Term(f"(NOT {inner.sql})", BOOLEAN, inner.fails)


def _is_null(writer: Writer, node: Any) -> Term:
    if not isinstance(node.expression, exp.Null):
        raise unknown("IS without NULL")
    guarded = _guarded_struct(node.this)
    if guarded is not None:  # a struct itself is never NULL, so it is asked whether it fails and no more
        fails = writer.guarded().term(guarded).fails
        return Term(f"coalesce({fails}, FALSE)" if fails else "FALSE", BOOLEAN)
    inner = writer.term(node.this)
    return Term(f"({inner.sql} IS NULL)", BOOLEAN, inner.fails)


def _guarded_struct(node: Any) -> Any:
    """The struct in `TRY({…})`, also behind the compiler's lambda; None for anything else."""
    if not isinstance(node, exp.Anonymous) or node.name != "TRY":
        return None
    inner = node.expressions[0]
    if isinstance(inner, exp.Bracket):
        inner = inner.this.expressions[1].this
    return inner if isinstance(inner, exp.Struct) else None


def _negative(writer: Writer, node: Any) -> Term:
    inner = writer.term(node.this)
    return replace(inner, sql=f"(- {inner.sql})")


def _comparison(writer: Writer, node: Any) -> Term:
    # DuckDB computes both sides of AND and OR for every row, so a side that fails always counts.
    left, right = writer.term(node.this), writer.term(node.expression)
    sql = f"({left.sql} {_BOOLEAN[type(node)]} {right.sql})"
    return Term(sql, BOOLEAN, any_of(left.fails, right.fails))


def _concatenation(writer: Writer, node: Any) -> Term:
    left, right = writer.term(node.this), writer.term(node.expression)
    return Term(f"({left.sql} || {right.sql})", TEXT, any_of(left.fails, right.fails))


def _arithmetic(writer: Writer, node: Any) -> Term:
    return casts.arithmetic(_ARITHMETIC[type(node)], writer.term(node.this), writer.term(node.expression))


def _division(writer: Writer, node: Any) -> Term:
    left, right = writer.term(node.this), writer.term(node.expression)
    return Term(f"({left.sql} / {right.sql})", "DOUBLE", any_of(left.fails, right.fails))


def _case(writer: Writer, node: Any) -> Term:
    operand = writer.term(node.this) if node.this else Term("")
    tests = [writer.term(branch.this) for branch in node.args["ifs"]]
    values = [writer.term(branch.args["true"]) for branch in node.args["ifs"]]
    default = writer.term(node.args["default"]) if node.args.get("default") else Term("NULL", NULL)

    def written(results: Sequence[str], otherwise: str) -> str:
        cases = [f"WHEN {test.sql} THEN {result}" for test, result in zip(tests, results, strict=True)]
        return f"(CASE {operand.sql} {' '.join(cases)} ELSE {otherwise} END)"

    # A value fails only where its case is taken.
    taken = [value.fails or "FALSE" for value in values]
    fails = written(taken, default.fails or "FALSE") if {*taken, default.fails} - {"FALSE", ""} else ""
    kind = next((term.kind for term in (*values, default) if term.kind not in (NULL, [NULL])), NULL)
    sql = written([value.sql for value in values], default.sql)
    return Term(sql, kind, any_of(operand.fails, *(test.fails for test in tests), fails))


def _array(writer: Writer, node: Any) -> Term:
    items = [writer.term(item) for item in node.expressions]
    kind: Kind = [items[0].kind if items else NULL]
    return Term(f"array({', '.join(item.sql for item in items)})", kind, any_of(*(i.fails for i in items)))


def _struct(writer: Writer, node: Any) -> Term:
    fields = {pair.this.name: writer.term(pair.expression) for pair in node.expressions}
    made = ", ".join(f"{terms.literal(name)}, {term.sql}" for name, term in fields.items())
    kind: Kind = {name: term.kind for name, term in fields.items()}
    return Term(f"named_struct({made})", kind, any_of(*(term.fails for term in fields.values())))


def _item(writer: Writer, node: Any) -> Term:
    items, position = writer.term(node.this), writer.term(node.expressions[0])
    sql = f"get({items.sql}, {position.sql} - 1)"
    return Term(sql, terms.item_of(items.kind), any_of(items.fails, position.fails))


def _target(node: Any) -> str:
    name: str = node.to.sql("duckdb")  # sqlglot calls VARCHAR TEXT and INTEGER INT
    base = name.removesuffix("[]")
    return _DUCKDB_TYPES.get(base, base) + name[len(base) :]


def _cast(writer: Writer, node: Any) -> Term:
    return casts.cast(writer.term(node.this), _target(node), is_guarded=writer.is_guarded)


def _try_cast(writer: Writer, node: Any) -> Term:
    inner = writer.term(node.this)
    return replace(casts.cast(inner, _target(node), is_guarded=True), fails=inner.fails)


def _at_time_zone(writer: Writer, node: Any) -> Term:
    inner = writer.term(node.this)  # the session's time zone is UTC, as the only one that views name
    return Term(f"CAST({inner.sql} AS TIMESTAMP_NTZ)", "TIMESTAMP", inner.fails)


def _function(writer: Writer, node: Any) -> Term:
    function = writer.functions.get(node.name.lower())
    if function is None:
        raise unknown(f"{node.name}()")
    return function(writer, node.expressions)


_HANDLERS: Sequence[tuple[Any, Callable[[Writer, Any], Term]]] = (
    (exp.Column, _column),
    (exp.Dot, _dot),
    (exp.Identifier, _identifier),
    (exp.Paren, _paren),
    (exp.Literal, _literal),
    (exp.Null, _null),
    (exp.Boolean, _boolean),
    (exp.Not, _not),
    (exp.Is, _is_null),
    (exp.Neg, _negative),
    (tuple(_BOOLEAN), _comparison),
    (exp.DPipe, _concatenation),
    (tuple(_ARITHMETIC), _arithmetic),
    (exp.Div, _division),
    (exp.Case, _case),
    (exp.Array, _array),
    (exp.Struct, _struct),
    (exp.Bracket, _item),
    (exp.TryCast, _try_cast),
    (exp.Cast, _cast),
    (exp.AtTimeZone, _at_time_zone),
    (exp.Anonymous, _function),
)
