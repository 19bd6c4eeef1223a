"""The reference pages that are made from the product itself: `make docs` writes them, a test compares them.

python docs/generate.py
"""

import shutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from docs.making.checks import check_pages, checks
from docs.making.command_line import command_line
from docs.making.configuration_keys import configuration
from docs.making.failures import exit_codes
from docs.making.log_events import log_events
from docs.making.tables import data_dictionary, ledger, metrics

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference"
NOTE = "<!-- Made by `make docs` from the product itself; edit the source instead. -->\n\n"


@cache
def pages() -> Mapping[str, str]:
    """Each reference page's text by file name."""
    written = data_dictionary()
    made = {
        "data-dictionary.md": written["md"],
        "ledger.md": ledger(),
        "metrics.md": metrics(),
        "checks.md": checks(),
        "command-line.md": command_line(),
        "configuration.md": configuration(),
        "exit-codes.md": exit_codes(),
        "log-events.md": log_events(),
        **check_pages(),
    }
    files = {f"data-dictionary.{ending}": written[ending] for ending in ("html", "csv")}
    return {name: NOTE + text.rstrip() + "\n" for name, text in made.items()} | files


def write_pages() -> None:
    """Write every page, and delete those of checks that are no more."""
    shutil.rmtree(REFERENCE / "checks", ignore_errors=True)
    (REFERENCE / "checks").mkdir()
    for file_name, text in pages().items():
        (REFERENCE / file_name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_pages()
