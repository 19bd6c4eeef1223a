"""The reference pages that are made from the product itself: `make docs` writes them, a test compares them.

python docs/generate.py
"""

from collections.abc import Mapping
from pathlib import Path

from typer.testing import CliRunner

from outcomes.metric import load_metrics
from service.cli import app
from warehouse.dictionary import data_dictionary
from warehouse.sqlfile import CheckHeader, TableHeader, read_sql_file

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference"
COMMANDS = ("check", "sync", "refresh", "report", "serve", "status", "sql", "demo")
GROUPS = {"codes": ("check", "unmapped", "export", "import"), "audit": ("show", "verify")}
NOTE = "<!-- Made by `make docs` from the product itself; edit the source instead. -->\n\n"


def pages() -> Mapping[str, str]:
    """Each reference page's text by file name."""
    made = {
        "data-dictionary.md": dictionary(),
        "metrics.md": metrics(),
        "checks.md": checks(),
        "command-line.md": command_line(),
    }
    return {name: NOTE + text.rstrip() + "\n" for name, text in made.items()}


def dictionary() -> str:
    """Every core and cohort table."""
    folders = (ROOT / "warehouse" / "core", ROOT / "outcomes" / "cohorts")
    paths = sorted(path for folder in folders for path in folder.glob("*.sql"))
    files = [read_sql_file(path, TableHeader) for path in paths]
    return data_dictionary([file for file in files if not file.header.table.startswith("flat.")])


def metrics() -> str:
    """Every metric with its definition and its reference."""
    lines = [
        "# Metrics",
        "",
        "One row of `outcomes.metric_result` is one statistic of one metric and group.",
        "",
    ]
    for metric in load_metrics():
        lines += [
            f"## {metric.metric}",
            "",
            f"**{metric.title}** ({metric.statistic} by {metric.grain}, {metric.unit}, v{metric.version})",
            "",
            one_line(metric.definition),
            "",
            f"Source: {metric.reference}.",
            "",
        ]
    return "\n".join(lines)


def checks() -> str:
    """Every quality check with its severity, threshold and advice."""
    lines = [
        "# Quality checks",
        "",
        "Categories after Kahn et al. 2016. A violated fatal check withholds the release.",
        "",
    ]
    for path in sorted((ROOT / "warehouse" / "checks").glob("*.sql")):
        header = read_sql_file(path, CheckHeader).header
        lines += [
            f"## {header.check}",
            "",
            f"**{header.title}** ({header.category}, {header.severity}, above {header.threshold:.0%})",
            "",
            one_line(header.advice),
            "",
        ]
    return "\n".join(lines)


def command_line() -> str:
    """What `--help` says of each command."""
    parts = ["# Command line", ""]
    in_groups = [
        [group, *command] for group, names in GROUPS.items() for command in ([], *([n] for n in names))
    ]
    for arguments in ([], *([command] for command in COMMANDS), *in_groups):
        plain = {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
        shown = CliRunner().invoke(app, [*arguments, "--help"], env=plain, prog_name="cryocohort")
        text = "\n".join(line.rstrip() for line in shown.stdout.strip().splitlines())
        parts += [f"## cryocohort {' '.join(arguments)}".rstrip(), "", "```", text, "```", ""]
    return "\n".join(parts)


def one_line(text: str) -> str:
    """A definition without its line breaks."""
    return " ".join(text.split())


if __name__ == "__main__":
    for file_name, text in pages().items():
        (REFERENCE / file_name).write_text(text, encoding="utf-8")
