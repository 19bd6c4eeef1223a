"""Core, cohort and metric SQL stays in the subset that other engines read the same way.

The constructs named here fail or, worse, silently give other numbers elsewhere (Spark through a transpiler:
approximate percentiles, weekday numbers, whole instead of begun units of time, lambdas, PIVOT).
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("warehouse/core", "outcomes/cohorts", "outcomes/metrics", "outcomes/tables")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).glob("*.sql"))
FORBIDDEN = {
    "PIVOT": r"\b(UN)?PIVOT\b",
    "ASOF join": r"\bASOF\b",
    "quantile functions (percentiles belong to the statistics)": r"\b(quantile|percentile|approx)_\w+\(",
    "generate_series": r"\bgenerate_series\(",
    "lambdas": r"->|\blambda\b",
    "weekday numbers": r"\bdow\b|\bdayofweek\(",
    "age() and three-argument date_sub": r"\b(age|date_sub|datesub)\(",
    "DuckDB casts": r"::",
    "len of a list": r"\blen\(",
    "date differences in units that other engines count when elapsed": r"\bdate_diff\('(?!day'|second')",
    "nested types": r"\b(list_\w+|struct_pack|unnest|map)\(",
    "HUGEINT, UUID, TIME, INTERVAL": r"\b(HUGEINT|UUID|INTERVAL)\b|\bAS TIME\b",
    "columns called at or source": r"\bAS (at|source)\b",
    "the clock and chance (a table is kept while what it reads is the same)": (
        r"\b(now|today|random|uuid\w*|gen_random_uuid|nextval|current_\w+|get_current_\w+)\b"
    ),
    "casts of a text to a time, which drop its offset": r"\bAS (TIMESTAMP(?! WITH TIME ZONE)|DATETIME)\b",
    "positional or whole-row grouping": r"\b(GROUP|ORDER) BY (ALL|\d)",
}


def statements(path: Path) -> str:
    return "\n".join(line.split("--")[0] for line in path.read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_construct_that_other_engines_read_differently(path: Path) -> None:
    text = statements(path)
    assert [name for name, pattern in FORBIDDEN.items() if re.search(pattern, text, re.IGNORECASE)] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_divisors_are_guarded_or_constant(path: Path) -> None:
    divisors = re.findall(r"[\w)]\s/\s(\S+)", statements(path))
    assert all(re.match(r"nullif\(|\d|rule\.days_per_month", divisor) for divisor in divisors), divisors
