"""Every statement of ours has a form that Spark reads alike; what has none is refused by name."""

from pathlib import Path

import pytest

from mappings.errors import SqlFileError
from warehouse.engines.dialect import to_spark
from warehouse.sqlfile import read_header

ROOT = Path(__file__).parents[2]
FOLDERS = ("warehouse/core", "warehouse/checks", "outcomes/cohorts", "outcomes/metrics", "outcomes/tables")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).glob("*.sql"))


def statement(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.parent.name == "tables" else read_header(path)[1]


def test_nothing_of_ours_is_untranslatable() -> None:
    def problem(path: Path) -> str | None:
        try:
            to_spark(statement(path))
        except SqlFileError as error:
            return f"{path.name}: {error.message}"
        return None

    assert len(FILES) > 140
    assert [told for told in map(problem, FILES) if told] == []


@pytest.mark.parametrize(
    ("sql", "construct"),
    [
        ("SELECT quantile_disc(x, 0.5) FROM t", "quantile_disc()"),
        (
            "SELECT percentile_cont(0.1) WITHIN GROUP (ORDER BY x DESC) FROM t",
            "a percentile from the upper end",
        ),
        ("SELECT date_diff('week', a, b) FROM t", "date_diff in the unit week"),
        ("SELECT date_part('dow', a) FROM t", "date_part()"),
        ("SELECT max_by(a, b) FILTER (b > 1) FROM t", "argmax() with FILTER"),
        ("SELECT a[b] FROM t", "an item of a list or structure by anything but its number"),
        ("SELECT left(a, -1) FROM t", "left() of a length that is no literal"),
        ("SELECT substr(a, 0, 2) FROM t", "substr() from position 0"),
        ("SELECT extract(epoch FROM a) FROM t", "extract of epoch"),
        ("SELECT a ~ 'x' FROM t", "the operator ~"),
        ("SELECT regexp_matches(a, b) FROM t", "a regular expression that is no literal"),
        ("SELECT regexp_matches(a, 'x', 'i') FROM t", "regexp_matches() with options"),
        ("SELECT regexp_replace(a, 'x', '') FROM t", "regexp_replace() without exactly the option g"),
        (
            "SELECT regexp_replace(a, '(x)', '\\1', 'g') FROM t",
            "regexp_replace() with a reference to a group",
        ),
        ("SELECT a LIKE 'x\\%' FROM t", "LIKE with a pattern that is no literal, or holds a backslash"),
        ("SELECT a LIKE b FROM t", "LIKE with a pattern that is no literal, or holds a backslash"),
        ("SELECT hash(a) FROM t", "hash()"),
        ("SELECT list(a) FROM t", "array_agg()"),
        ("SELECT mode(a) FROM t", "mode()"),
        ("SELECT a + INTERVAL 1 DAY FROM t", "interval"),
        ("SELECT a AT TIME ZONE 'UTC' FROM t", "AT TIME ZONE of anything but a tried instant"),
        (
            "SELECT TRY_CAST(a AS TIMESTAMPTZ) AT TIME ZONE 'Europe/Berlin' FROM t",
            "or to another zone than UTC",
        ),
        ("PIVOT t ON a USING count(*)", "pivot"),
        ("SELECT current_date", "current_date()"),
        ("SELECT random()", "rand()"),
        ("SELECT FROM WHERE", "a construct that sqlglot cannot read"),
    ],
)
def test_what_spark_reads_otherwise_is_refused_by_its_name(sql: str, construct: str) -> None:
    with pytest.raises(SqlFileError) as told:
        to_spark(sql)
    assert construct in told.value.message
    assert "--engine spark" in told.value.next_step
