"""The canonical side of the codes: code sets with the source of each code, and spellings of code systems.

- `codes/<code_set>.csv`: the canonical codes, each with its concept and its source. `<code_set>_text.csv`
  adds spellings of a text-only body site under the pseudo-system `text`.
- `values/systems.csv`: other spellings of a code system's URL, resolved before anything is compared.

Only codes that somebody else has published are shipped: `verified` (seen in a primary source) or
`second-hand` (seen in other people's work only). An unverified code is refused: as a default it would count
at every center, where nobody signed it off.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TypeAlias

from mappings.csvfile import csv_files, need, one_of, read_rows, wrong_cell
from mappings.errors import TerminologyError

TEXT_SYSTEM = "text"

SystemCode: TypeAlias = tuple[str, str]

CODE_STATUSES = frozenset({"verified", "second-hand"})
REQUIREMENTS = frozenset({"", "spine_site"})
CODE_COLUMNS = ("code_set", "concept", "system", "code", "display", "requires", "status", "source", "note")
ALIAS_COLUMNS = ("alias", "system")

_CODES = files("mappings") / "codes"
_ALIASES = files("mappings") / "values" / "systems.csv"


@dataclass(frozen=True, slots=True)
class CanonicalCode:
    """One code of a canonical set: what it means here, what else it needs to count, and who says so.

    `requires` is '' (counts alone) or 'spine_site' (only with a body site in the spine).
    """

    code_set: str
    concept: str
    system: str
    code: str
    display: str
    requires: str
    status: str
    source: str
    note: str


def load_aliases(path: Traversable = _ALIASES) -> dict[str, str]:
    """The canonical URL of each other spelling of a code system.

    Raises TerminologyError for a repeated alias or one that leads to another alias.
    """
    aliases: dict[str, str] = {}
    for place, row in read_rows(path, ALIAS_COLUMNS):
        need(place, row, ALIAS_COLUMNS)
        if row["alias"] in aliases:
            raise wrong_cell(place, "alias", "this alias stands above already", "Remove one of them.")
        aliases[row["alias"]] = row["system"]
    for alias, system in aliases.items():
        if system in aliases:
            raise TerminologyError(
                f"{path.name}: the alias {alias} leads to {system}, which is an alias itself.",
                "Give the canonical system in the column system.",
            )
    return aliases


def load_codes(folder: Traversable = _CODES) -> tuple[CanonicalCode, ...]:
    """All canonical codes of a folder, in the order of its files and rows.

    Raises TerminologyError naming file, row and column: unknown columns, empty cells, duplicates, an alias
    instead of a canonical system, an unverified code, a text spelling that could never match, a requirement
    nobody knows.
    """
    aliases = load_aliases()
    places: dict[tuple[str, str, str], str] = {}
    codes: list[CanonicalCode] = []
    for path in csv_files(folder):
        for place, row in read_rows(path, CODE_COLUMNS):
            code = _canonical_code(place, row, path, aliases)
            key = (code.code_set, code.system, code.code)
            if key in places:
                raise wrong_cell(place, "code", f"the same code as in {places[key]}", "Remove one of them.")
            places[key] = place
            codes.append(code)
    return tuple(codes)


def text_code(text: str) -> str:
    """A body-site text in the form in which spellings are compared: upper case, no blanks."""
    return "".join(text.upper().split())


def _canonical_code(
    place: str, row: Mapping[str, str], path: Traversable, aliases: Mapping[str, str]
) -> CanonicalCode:
    """One checked line of a canonical code set."""
    need(place, row, ("code_set", "concept", "system", "code", "display", "status", "source"))
    _check_status(place, row["status"])
    stem = path.name.removesuffix(".csv")
    is_text = row["system"] == TEXT_SYSTEM
    one_of(place, "requires", row["requires"], REQUIREMENTS)
    one_of(place, "code_set", row["code_set"], {stem.removesuffix("_text") if is_text else stem})
    if row["system"] in aliases:
        raise wrong_cell(
            place, "system", f"{row['system']} is an alias", f"Write {aliases[row['system']]} instead."
        )
    if is_text and row["code"] != text_code(row["code"]):
        raise wrong_cell(
            place, "code", "this spelling can never match", f"Write it as {text_code(row['code'])}."
        )
    return CanonicalCode(**row)


def _check_status(place: str, status: str) -> None:
    if status == "unverified":
        raise wrong_cell(
            place,
            "status",
            "an unverified code cannot be a default",
            "Give the source that verifies it, or map it in the file of a center that signs it off.",
        )
    one_of(place, "status", status, CODE_STATUSES)
