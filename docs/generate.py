"""The reference pages that are made from the product itself: `make docs` writes them, a test compares them.

python docs/generate.py
"""

from collections.abc import Mapping
from pathlib import Path

from docs.making.command_line import command_line
from docs.making.configuration_keys import configuration
from docs.making.failures import exit_codes
from docs.making.tables import checks, dictionary, ledger, metrics

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference"
NOTE = "<!-- Made by `make docs` from the product itself; edit the source instead. -->\n\n"


def pages() -> Mapping[str, str]:
    """Each reference page's text by file name."""
    made = {
        "data-dictionary.md": dictionary(),
        "ledger.md": ledger(),
        "metrics.md": metrics(),
        "checks.md": checks(),
        "command-line.md": command_line(),
        "configuration.md": configuration(),
        "exit-codes.md": exit_codes(),
    }
    return {name: NOTE + text.rstrip() + "\n" for name, text in made.items()}


if __name__ == "__main__":
    for file_name, text in pages().items():
        (REFERENCE / file_name).write_text(text, encoding="utf-8")
