"""What Spark reads otherwise under the same name, put so that it gives DuckDB's rows.

Each function takes a node of sqlglot's tree whose parts are mended already, and returns what stands in its
place. Types are not known here: where they matter, Spark is asked when it plans (`typeof`).
"""

from collections.abc import Callable, Mapping

from sqlglot import exp

from warehouse.engines.fixups_text import TEXT_FIXUPS
from warehouse.engines.nodes import Node, Untranslatable, call, cast, put

_WHOLE = {"TINYINT", "SMALLINT", "INT", "BIGINT"}
_TRUNCATED = {"YEAR", "QUARTER", "MONTH", "HOUR", "MINUTE", "SECOND"}
_PARTS = {"YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "DOY", "HOUR", "MINUTE"}
# Another meaning, another order or another hash in Spark; no statement of ours needs them.
_REFUSED_CALLS = {"age", "date_part", "date_sub", "datepart", "datesub", "epoch_ms", "hash", "now", "today"}
_REFUSED_NODES = (
    exp.ArrayAgg, exp.CurrentDate, exp.CurrentTimestamp, exp.DateBin, exp.DateSub, exp.GenerateSeries,
    exp.Glob, exp.Interval, exp.Kurtosis, exp.Mode, exp.Pivot, exp.Rand, exp.RegexpExtract,
    exp.RegexpFullMatch, exp.SimilarTo, exp.Skewness, exp.StrToTime, exp.TimeToUnix, exp.TimestampSub,
    exp.Uuid,
)  # fmt: skip
_NUMBER = r"^\\s*[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?\\s*$"

# DuckDB rounds to a whole number, a DOUBLE half to even; Spark cuts off.
_ROUNDED = "CASE WHEN TYPEOF(x) = 'double' THEN BROUND(x) ELSE ROUND(x) END"
# Spark also takes 5d for a number.
_TRIED_NUMBER = (
    f"CASE WHEN TYPEOF(x) <> 'string' OR CAST(x AS STRING) RLIKE '{_NUMBER}' THEN TRY_CAST(x AS DOUBLE) END"
)
_TRIED_WHOLE = f"CASE WHEN TYPEOF(x) = 'double' THEN BROUND({_TRIED_NUMBER}) ELSE ROUND({_TRIED_NUMBER}) END"
# Spark also takes 2024-05 for a date; DuckDB wants all three parts of it.
_TRIED_DATE = (
    r"CASE WHEN TYPEOF(x) <> 'string' OR CAST(x AS STRING) RLIKE '^\\s*[0-9]+-[0-9]{1,2}-[0-9]{1,2}\\s*$' "
    "THEN TRY_CAST(x AS DATE) END"
)
# Spark wants seconds, and no offset beyond 18 hours: the clock's time and the offset are read apart.
_TRIED_INSTANT = (
    r"CASE WHEN TYPEOF(x) = 'string' AND CAST(x AS STRING) RLIKE '^.+T.+[+-][0-9]{2}:[0-9]{2}$' "
    "THEN TRY_CAST(LEFT(x, LENGTH(x) - 6) AS TIMESTAMP_NTZ) - MAKE_DT_INTERVAL(0, "
    "CAST(CONCAT(LEFT(RIGHT(x, 6), 1), LEFT(RIGHT(x, 5), 2)) AS INT), "
    "CAST(CONCAT(LEFT(RIGHT(x, 6), 1), RIGHT(x, 2)) AS INT)) "
    r"WHEN TYPEOF(x) = 'string' AND CAST(x AS STRING) RLIKE '^.+T.+Z$' "
    "THEN TRY_CAST(LEFT(x, LENGTH(x) - 1) AS TIMESTAMP_NTZ) "
    "ELSE CAST(TRY_CAST(x AS TIMESTAMP) AS TIMESTAMP_NTZ) END"
)


def refuse(node: Node) -> None:
    """Raise Untranslatable for what Spark would answer otherwise."""
    if isinstance(node, exp.Anonymous) and node.name.lower() in _REFUSED_CALLS:
        raise Untranslatable(f"{node.name.lower()}()")
    if isinstance(node, _REFUSED_NODES):
        raise Untranslatable(f"{node.sql_name().lower()}()" if isinstance(node, exp.Func) else node.key)


def _date_diff(node: Node) -> Node:
    """DuckDB counts the boundaries crossed, Spark the whole units that have passed."""
    unit = (node.args["unit"].name if node.args.get("unit") else "DAY").upper()
    later, earlier = node.this, node.expression
    if unit == "DAY":
        return cast(call("DATEDIFF", cast(later, "DATE"), cast(earlier, "DATE")), "BIGINT")
    if unit not in _TRUNCATED:
        raise Untranslatable(f"date_diff in the unit {unit.lower()}")
    begun = [call("DATE_TRUNC", exp.Literal.string(unit), end) for end in (earlier, later)]
    return call("TIMESTAMPDIFF", exp.Var(this=unit), *begun)


def _truncated(node: Node) -> Node:
    """Of a date DuckDB makes a time, Spark an instant."""
    unit = exp.Literal.string(node.args["unit"].name)
    return cast(call("DATE_TRUNC", unit, node.this), "TIMESTAMPNTZ")


def _extract(node: Node) -> Node:
    """Days of the week are numbered from Sunday 0 (or Monday 1), in Spark from Sunday 1 (or Monday 0)."""
    part = node.name.upper()
    if part in {"DOW", "DAYOFWEEK"}:
        return put("DAYOFWEEK(x) - 1", node.expression)
    if part == "ISODOW":
        return put("WEEKDAY(x) + 1", node.expression)
    if part not in _PARTS:
        raise Untranslatable(f"extract of {part.lower()}")
    return node


def _day_of_week(node: Node) -> Node:
    return put("DAYOFWEEK(x) - 1", node.this)


def _iso_day_of_week(node: Node) -> Node:
    return put("WEEKDAY(x) + 1", node.this)


def _within_group(node: Node) -> Node:
    """sqlglot makes an approximate percentile of an exact one."""
    if not isinstance(node.this, exp.PercentileCont | exp.PercentileDisc):
        return node
    (order,) = node.expression.expressions
    if order.args.get("desc"):
        raise Untranslatable("a percentile from the upper end")
    if isinstance(node.this, exp.PercentileCont):
        return call("PERCENTILE", order.this, node.this.this)
    return node


def _percentile(node: Node) -> Node:
    """`quantile_cont(x, q)`, which sqlglot writes as a call of one argument too many."""
    if isinstance(node.parent, exp.WithinGroup):
        return node
    if isinstance(node, exp.PercentileDisc):
        raise Untranslatable("quantile_disc()")
    return call("PERCENTILE", node.this, node.expression)


def _of_extreme(node: Node) -> Node:
    """Of a row whose value is NULL DuckDB takes no notice."""
    if isinstance(node.parent, exp.Filter | exp.Window):
        raise Untranslatable(f"{node.key}() with FILTER or OVER")
    is_there = exp.Not(this=exp.Is(this=node.this.copy(), expression=exp.Null()))
    return exp.Filter(this=node.copy(), expression=exp.Where(this=is_there))


def _cast(node: Node) -> Node:
    if _name(node) in _WHOLE and not _is_boolean(node.this):
        node.set("this", put(_ROUNDED, node.this))
    return node


def _try_cast(node: Node) -> Node:
    match _name(node):
        case "DATE":
            return put(_TRIED_DATE, node.this)
        case "DOUBLE":
            return put(_TRIED_NUMBER, node.this)
        case kind if kind in _WHOLE:
            node.set("this", put(_TRIED_WHOLE, node.this))
    return node


def _name(node: Node) -> str:
    """The type that a cast is to."""
    name: str = node.args["to"].sql(dialect="duckdb")
    return name


def _is_boolean(node: Node) -> bool:
    return isinstance(node.unnest(), exp.Predicate | exp.Connector | exp.Not | exp.Boolean | exp.LogicalOr)


def _at_time_zone(node: Node) -> Node:
    """An instant, read from a text, as the clock of UTC shows it."""
    inner = node.this.unnest()
    is_tried = isinstance(inner, exp.TryCast) and _name(inner) == "TIMESTAMPTZ"
    if node.args["zone"].name != "UTC" or not is_tried:
        raise Untranslatable("AT TIME ZONE of anything but a tried instant, or to another zone than UTC")
    return put(_TRIED_INSTANT, inner.this)


def _divide(node: Node) -> Node:
    """A quotient is a DOUBLE; Spark's of decimals has a few digits."""
    return exp.Div(this=cast(node.this, "DOUBLE"), expression=cast(node.expression, "DOUBLE"))


def _average(node: Node) -> Node:
    """So is a mean."""
    if not isinstance(node.this, exp.Distinct):
        node.set("this", cast(node.this, "DOUBLE"))
    return node


def _item(node: Node) -> Node:
    """Beyond the end of a list is NULL."""
    (index,) = node.expressions
    if not isinstance(index, exp.Literal) or index.is_string:
        raise Untranslatable("an item of a list or structure by anything but its number")
    return call("GET", node.this, index)


FIXUPS: Mapping[type[Node], Callable[[Node], Node]] = {
    **TEXT_FIXUPS,
    exp.ArgMax: _of_extreme,
    exp.ArgMin: _of_extreme,
    exp.AtTimeZone: _at_time_zone,
    exp.Avg: _average,
    exp.Bracket: _item,
    exp.Cast: _cast,
    exp.DateDiff: _date_diff,
    exp.DateTrunc: _truncated,
    exp.DayOfWeek: _day_of_week,
    exp.DayOfWeekIso: _iso_day_of_week,
    exp.Div: _divide,
    exp.Extract: _extract,
    exp.PercentileCont: _percentile,
    exp.PercentileDisc: _percentile,
    exp.TimestampTrunc: _truncated,
    exp.TryCast: _try_cast,
    exp.WithinGroup: _within_group,
}
