"""`lowBoundary()` and `highBoundary()` as SQL: the least and greatest value that a stated precision allows.

Source: FHIRPath N1, section 5.7 (Utility functions); the FHIR form of time zones: an unstated offset lies
between +14:00 and -12:00. Known limit: DuckDB's JSON reader drops trailing zeros, so 1.50 counts as 1.5.
"""

from mappings.compiler_values import Build, Value
from mappings.errors import ViewError

_FIRST, _LAST = "00:00:00.000", "23:59:59.999"


def boundary(build: Build, value: Value, *, is_low: bool) -> Value:
    """The boundary of one decimal, date, dateTime, instant or time; NULL where the value is."""
    match value.type:
        case "decimal":
            return Value(_decimal(build, value, is_low=is_low), "decimal")
        case "date":
            return Value(_date(value.sql, is_low=is_low), "date")
        case "dateTime" | "instant":
            return Value(_date_time(value.sql, is_low=is_low), value.type)
        case "time":
            return Value(_time(value.sql, is_low=is_low), "time")
    name = "lowBoundary" if is_low else "highBoundary"
    raise ViewError(
        f"{name}() needs a decimal, date, dateTime, instant or time, not {value.type}.", "Leave it out."
    )


def _decimal(build: Build, value: Value, *, is_low: bool) -> str:
    if not value.is_text:
        raise ViewError("The precision of a computed number is unknown.", "Apply the boundary to an element.")
    number = build.may_fail(f"CAST({value.sql} AS DECIMAL(38, 12))")
    digits = f"length(regexp_extract({value.sql}, '\\.([0-9]+)', 1))"
    half = f"CAST(pow(10, - {digits}) / 2 AS DECIMAL(38, 12))"
    sign = "-" if is_low else "+"
    return f"CAST({number} {sign} {half} AS DOUBLE)"


def _date(sql: str, *, is_low: bool) -> str:
    if is_low:
        return f"({sql} || substr('0001-01-01', length({sql}) + 1))"
    end_of_month = f"strftime(last_day(try_cast({sql} || '-01' AS DATE)), '%Y-%m-%d')"
    return f"(CASE length({sql}) WHEN 4 THEN {sql} || '-12-31' WHEN 7 THEN {end_of_month} ELSE {sql} END)"


def _date_time(sql: str, *, is_low: bool) -> str:
    day = _date(f"left({sql}, 10)", is_low=is_low)
    clock = _time(f"regexp_extract({sql}, 'T([0-9:.]+)', 1)", is_low=is_low)
    offset = f"nullif(regexp_extract({sql}, 'T.*?(Z|[+-][0-9]{{2}}:[0-9]{{2}})$', 1), '')"
    unstated = "+14:00" if is_low else "-12:00"
    return f"({day} || 'T' || {clock} || coalesce({offset}, '{unstated}'))"


def _time(sql: str, *, is_low: bool) -> str:
    # Pads what is missing: 12:34 -> 12:34:00.000 or 12:34:59.999. A fraction is padded to milliseconds.
    template = _FIRST if is_low else _LAST
    return f"({sql} || substr('{template}', length({sql}) + 1))"
