"""Casts and arithmetic of a view for Spark, which takes other texts for numbers and dates than DuckDB does.

Spark reads `5d` as 5.0, `2025` as the first of January, and cuts 2.7 to 2. Here a text is cast only if DuckDB
would have taken it, and numbers are rounded as DuckDB rounds them.
"""

from warehouse.engines.view_terms import (
    BIGINT,
    BOOLEAN,
    DECIMAL,
    DOUBLE,
    INTEGER,
    NULL,
    SIZE,
    TEXT,
    Kind,
    Term,
    any_of,
    literal,
)

_NUMBER = r"^\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\s*$"
_DOUBLE = rf"{_NUMBER}|^\s*[-+]?(?i:nan|inf|infinity)\s*$"
_DATE = r"^\s*[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}\s*$"
_INSTANT = (
    r"^\s*[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
    r"([T ][0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[-+][0-9]{2}(:?[0-9]{2})?)?)?\s*$"
)
# DuckDB's type: Spark's, the texts that DuckDB casts to it, and what must be read from the text first.
_TYPES = {
    "SMALLINT": ("SMALLINT", _NUMBER, "round(try_cast({} AS DECIMAL(38, 9)))"),
    INTEGER: ("INT", _NUMBER, "round(try_cast({} AS DECIMAL(38, 9)))"),
    BIGINT: ("BIGINT", _NUMBER, "round(try_cast({} AS DECIMAL(38, 9)))"),
    DOUBLE: ("DOUBLE", _DOUBLE, "{}"),
    BOOLEAN: ("BOOLEAN", "^(?i:true|t|yes|y|1|false|f|no|n|0)$", "{}"),
    "DATE": ("DATE", _DATE, "{}"),
    "TIMESTAMP": ("TIMESTAMP_NTZ", _INSTANT, "{}"),
    "TIMESTAMPTZ": ("TIMESTAMP", _INSTANT, "{}"),
}
_WIDENING = {
    (SIZE, INTEGER), (SIZE, BIGINT), (SIZE, DOUBLE), (INTEGER, BIGINT), (INTEGER, DOUBLE), (BIGINT, DOUBLE),
    (DECIMAL, DOUBLE), (BOOLEAN, INTEGER), (BOOLEAN, BIGINT),
}  # fmt: skip
_FRACTIONS = {DOUBLE, DECIMAL}
_WHOLE = {"SMALLINT", INTEGER, BIGINT}
_TRYING = {"+": "try_add", "-": "try_subtract", "*": "try_multiply"}


def cast(term: Term, target: str, *, is_guarded: bool) -> Term:
    """The term in one of DuckDB's types (`DOUBLE`, `DECIMAL(9, 2)`, `DOUBLE[]`).

    Unless `is_guarded`, a value that does not fit ends the statement, as it would in DuckDB.
    """
    if target.endswith("[]"):
        return _cast_items(term, target.removesuffix("[]"), is_guarded=is_guarded)
    spark_type, _, _ = _type(target)
    kind = DECIMAL if target.startswith(DECIMAL) else target
    if term.kind == NULL or (term.kind, target) in _WIDENING or target == TEXT:
        is_same = term.kind == TEXT == target
        return Term(term.sql if is_same else f"CAST({term.sql} AS {spark_type})", kind, term.fails)
    value = _tried(term, target)
    fails = f"({term.sql} IS NOT NULL AND {value} IS NULL)"
    if not is_guarded:
        error = "raise_error('a value does not fit its type')"
        value = f"coalesce({value}, CASE WHEN {term.sql} IS NOT NULL THEN {error} END)"
    return Term(value, kind, any_of(term.fails, fails))


def arithmetic(operator: str, left: Term, right: Term) -> Term:
    """A sum, difference or product: a whole number beyond its type fails."""
    sql = f"{_TRYING[operator]}({left.sql}, {right.sql})"
    kind = _common(left.kind, right.kind)
    fails = any_of(left.fails, right.fails)
    if kind not in (SIZE, DOUBLE):
        over = f"({left.sql} IS NOT NULL AND {right.sql} IS NOT NULL AND {sql} IS NULL)"
        fails = any_of(fails, over)
    return Term(sql, kind, fails)


def _cast_items(term: Term, target: str, *, is_guarded: bool) -> Term:
    spark_type, _, _ = _type(target)
    if not isinstance(term.kind, list) or term.kind == [NULL]:
        return Term(f"CAST({term.sql} AS ARRAY<{spark_type}>)", [target], term.fails)
    item = cast(Term("cast_item", term.kind[0]), target, is_guarded=is_guarded)
    fails = f"exists({term.sql}, cast_item -> {item.fails})" if item.fails else ""
    sql = f"transform({term.sql}, cast_item -> {item.sql})"
    return Term(sql, [target], any_of(term.fails, fails))


def _tried(term: Term, target: str) -> str:
    """The value in its new type, NULL where it does not fit."""
    spark_type, pattern, read = _type(target)
    if term.kind == TEXT:
        fits = f"{term.sql} RLIKE {literal(pattern)}"
        return f"CASE WHEN {fits} THEN try_cast({read.format(term.sql)} AS {spark_type}) END"
    is_rounded = term.kind in _FRACTIONS and target in _WHOLE
    return f"try_cast({f'rint({term.sql})' if is_rounded else term.sql} AS {spark_type})"


def _type(target: str) -> tuple[str, str, str]:
    if target.startswith(DECIMAL):
        return target, _NUMBER, "{}"
    return ("STRING", "", "{}") if target == TEXT else _TYPES[target]


def _common(left: Kind, right: Kind) -> Kind:
    kinds = (left, right)
    for kind in (DOUBLE, DECIMAL, BIGINT, INTEGER):
        if kind in kinds:
            return kind
    return SIZE
