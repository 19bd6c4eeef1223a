"""The quality checks: an index by category, and a page for each with its queries."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from warehouse.sqlfile import CheckHeader, SqlFile, read_sql_folder

ROOT = Path(__file__).parents[2]


def check_pages() -> Mapping[str, str]:
    """The page of each check, by its file's name under docs/reference."""
    return {f"checks/{check.header.check}.md": check_page(check) for check in all_checks()}


@cache
def all_checks() -> Sequence[SqlFile[CheckHeader]]:
    """Every quality check, by name."""
    return read_sql_folder(ROOT / "warehouse" / "checks", CheckHeader)


def checks() -> str:
    """The quality checks by category, each with a link to its own page."""
    lines = [
        "# Quality checks",
        "",
        "Categories after Kahn et al. 2016 (doi 10.13063/2327-9214.1244). A violated *fatal* check, or one",
        "that cannot run, withholds the release and yesterday's stays; *convention* warns,",
        "*characterization* informs. A check is violated when more than its threshold of the rows",
        "looked at violate it.",
    ]
    for category in ("conformance", "completeness", "plausibility"):
        lines += ["", f"## {category.capitalize()}", ""]
        lines += ["| Check | Severity | Above | Finds |", "| --- | --- | --- | --- |"]
        headers = [check.header for check in all_checks() if check.header.category == category]
        lines += [
            f"| [{header.check}](checks/{header.check}.md) | {header.severity} | {header.threshold:.0%} "
            f"| {header.title} |"
            for header in headers
        ]
    return "\n".join(lines)


def check_page(check: SqlFile[CheckHeader]) -> str:
    """One quality check: what it finds, how grave that is, what to do, and the queries."""
    header = check.header
    lines = [
        f"# {header.title}",
        "",
        f"`{header.check}`, one of the [quality checks](../checks.md).",
        "",
        "| Category | Severity | Violated above |",
        "| --- | --- | --- |",
        f"| {header.category} | {header.severity} | {header.threshold:.0%} of the rows looked at |",
        "",
        "## What to do",
        "",
        header.advice.strip(),
        *(["", f"Reference: {header.reference}."] if header.reference else []),
        "",
        "## What it counts",
        "",
        "The violating rows:",
        "",
        "```sql",
        check.body,
        "```",
        "",
        "Of all rows looked at:",
        "",
        "```sql",
        header.denominator.strip(),
        "```",
    ]
    return "\n".join(lines)
