"""Codes: canonical code sets, each center's signed-off map onto them, and the join table made of both.

Three kinds of CSV, all edited by people and meant as FHIR:

- `codes/<code_set>.csv`: the canonical codes, each with its concept and its source. `<code_set>_text.csv`
  adds spellings of a text-only body site under the pseudo-system `text`.
- `values/systems.csv`: other spellings of a code system's URL, resolved before anything is compared.
- a center's `codes/*.csv`: local code -> canonical code, with who verified it and when: a FHIR R4 ConceptMap.

A row of a center's map counts when it is approved and its equivalence says that the source means the
target or something within it: `equivalent`, `equal`, `wider`, `subsumes` (R4 words them from the target's
side: `wider` is "the target is wider than the source"). `narrower`, `specializes`, `inexact`, `relatedto`,
`disjoint` and `unmatched` document a review and count nothing: by them a patient could enter the cohort who
does not belong to it. Nothing is guessed: a code that is in neither list stays unmapped.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeAlias

from fhir.resources.R4B.conceptmap import ConceptMap
from pydantic import ValidationError

from mappings.csvfile import csv_files, need, one_of, read_rows, wrong_cell
from mappings.errors import TerminologyError

TEXT_SYSTEM = "text"

SystemCode: TypeAlias = tuple[str, str]
Targets: TypeAlias = Mapping[SystemCode, Sequence["CanonicalCode"]]

COUNTED = frozenset({"equivalent", "equal", "wider", "subsumes"})
REVIEW_ONLY = frozenset({"relatedto", "narrower", "specializes", "inexact", "unmatched", "disjoint"})
MAP_STATUSES = frozenset({"approved", "draft", "rejected"})
CODE_STATUSES = frozenset({"verified", "second-hand"})

CODE_COLUMNS = ("code_set", "concept", "system", "code", "display", "requires", "status", "source", "note")
ALIAS_COLUMNS = ("alias", "system")
MAP_COLUMNS = (
    "source_system",
    "source_code",
    "source_display",
    "target_system",
    "target_code",
    "target_display",
    "equivalence",
    "status",
    "verified_by",
    "verified_on",
    "comment",
)

_CODES = files("mappings") / "codes"
_ALIASES = files("mappings") / "values" / "systems.csv"


@dataclass(frozen=True, slots=True)
class CanonicalCode:
    """One code of a canonical set: what it means here, what else it needs to count, and who says so.

    `requires` is '' (counts alone), 'spine_site' (only with a body site in the spine) or, in `pain_answer`,
    the code of the question: the same answer code has other values under other questions.
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


@dataclass(frozen=True, slots=True)
class MapRow:
    """One reviewed line of a center's map; systems as written, `place` for messages ('file, row n')."""

    place: str
    source: SystemCode
    source_display: str
    target: SystemCode
    target_display: str
    equivalence: str
    status: str
    verified_by: str
    verified_on: str
    comment: str


@dataclass(frozen=True, slots=True)
class CenterMap:
    """A center's map: its rows, and the same approved rows as a validated FHIR R4 ConceptMap."""

    center_id: str
    rows: tuple[MapRow, ...]
    concept_map: dict[str, Any]


@dataclass(frozen=True, slots=True, order=True)
class MappedCode:
    """One line of the join table: what a (system, code) of a center means in a code set."""

    center_id: str
    system: str
    code: str
    code_set: str
    concept: str
    requires: str


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
    instead of a canonical system, a text spelling that could never match, a requirement nobody knows.
    """
    aliases = load_aliases()
    places: dict[tuple[str, str, str], str] = {}
    codes: list[tuple[str, CanonicalCode]] = []
    for path in csv_files(folder):
        for place, row in read_rows(path, CODE_COLUMNS):
            code = _canonical_code(place, row, path, aliases)
            key = (code.code_set, code.system, code.code)
            if key in places:
                raise wrong_cell(place, "code", f"the same code as in {places[key]}", "Remove one of them.")
            places[key] = place
            codes.append((place, code))
    _check_requirements(codes)
    return tuple(code for _, code in codes)


def load_center_map(folder: Path, center_id: str) -> CenterMap:
    """The map a center signed off: all CSV files of its `codes` folder; no folder is an empty map.

    Raises TerminologyError naming file, row and column; targets are checked against the canonical sets by
    `code_map`.
    """
    rows: list[MapRow] = []
    places: dict[tuple[SystemCode, SystemCode], str] = {}
    for path in csv_files(folder) if folder.is_dir() else ():
        for place, cells in read_rows(path, MAP_COLUMNS):
            row = _map_row(place, cells)
            key = (row.source, row.target)
            if key in places:
                raise wrong_cell(
                    place,
                    "source_code",
                    f"the same mapping as in {places[key]}",
                    "Remove one of them.",
                )
            places[key] = place
            rows.append(row)
    return CenterMap(center_id, tuple(rows), _concept_map(center_id, rows))


def code_map(canonical: Iterable[CanonicalCode], center_maps: Iterable[CenterMap]) -> list[MappedCode]:
    """The join table, sorted: for each center every canonical code and its own codes that count.

    A source system written as an alias gives two rows, as written and resolved: the resolved one joins
    (codings are resolved first), the other is what the center's server must be asked for.
    Raises TerminologyError for a target in no canonical set and for a code that would mean two things.
    """
    targets: dict[SystemCode, list[CanonicalCode]] = {}
    for code in canonical:
        targets.setdefault((code.system, code.code), []).append(code)
    aliases = load_aliases()
    return sorted(code for each in center_maps for code in _center_codes(each, targets, aliases))


def query_codes(
    codes: Iterable[MappedCode], center_id: str, code_set: str, concepts: Collection[str] | None = None
) -> list[SystemCode]:
    """The (system, code) pairs to search a center for, sorted; text spellings cannot be searched for.

    `concepts` narrows the set; None takes all of it.
    """
    return sorted(
        {
            (code.system, code.code)
            for code in codes
            if code.center_id == center_id
            and code.code_set == code_set
            and code.system != TEXT_SYSTEM
            and (concepts is None or code.concept in concepts)
        }
    )


def text_code(text: str) -> str:
    """A body-site text in the form in which spellings are compared: upper case, no blanks."""
    return "".join(text.upper().split())


def _center_codes(
    center_map: CenterMap,
    targets: Targets,
    aliases: Mapping[str, str],
) -> Iterator[MappedCode]:
    """The canonical codes as this center's, then its own; a code may have one meaning per code set."""
    meanings = {
        (*source, code.code_set): ((code.concept, code.requires), "the canonical code sets")
        for source, codes in targets.items()
        for code in codes
    }
    for row in center_map.rows:
        for code in _targets(row, targets, aliases):
            system, source_code = row.source
            for spelling in {system, aliases.get(system, system)}:
                meaning = ((code.concept, code.requires), row.place)
                known = meanings.setdefault((spelling, source_code, code.code_set), meaning)
                if known[0] != meaning[0]:
                    raise wrong_cell(
                        row.place,
                        "target_code",
                        f"{source_code} has another meaning in the set {code.code_set} by {known[1]}",
                        "Keep one meaning per source code: correct or remove one of the rows.",
                    )
    for (system, source_code, code_set), ((concept, requires), _) in meanings.items():
        yield MappedCode(center_map.center_id, system, source_code, code_set, concept, requires)


def _targets(row: MapRow, targets: Targets, aliases: Mapping[str, str]) -> Sequence[CanonicalCode]:
    """The canonical codes an approved row leads to: none when its equivalence does not count."""
    if row.status != "approved" or row.equivalence == "unmatched":
        return ()
    system, code = row.target
    found = targets.get((aliases.get(system, system), code))
    if found is None:
        raise wrong_cell(
            row.place,
            "target_code",
            f"{code} of {system} is in no canonical code set",
            "Choose a target from mappings/codes, or set equivalence to unmatched without a target.",
        )
    return found if row.equivalence in COUNTED else ()


def _concept_map(center_id: str, rows: Iterable[MapRow]) -> dict[str, Any]:
    """The approved rows as a FHIR R4 ConceptMap, validated."""
    groups: dict[SystemCode, dict[SystemCode, list[dict[str, str]]]] = {}
    for row in rows:
        if row.status == "approved":
            elements = groups.setdefault((row.source[0], row.target[0]), {})
            target = {
                "code": row.target[1],
                "display": row.target_display,
                "equivalence": row.equivalence,
                "comment": row.comment,
            }
            elements.setdefault((row.source[1], row.source_display), []).append(_filled(target))
    concept_map: dict[str, Any] = {
        "resourceType": "ConceptMap",
        "url": f"urn:cryocohort:center:{center_id}:codes",
        "name": f"CodesOfCenter_{center_id}",
        "title": f"Codes of center {center_id} as its data manager signed them off",
        "status": "active",
    }
    if groups:
        concept_map["group"] = [_group(systems, elements) for systems, elements in groups.items()]
    return _validated(concept_map, center_id)


def _group(systems: SystemCode, elements: Mapping[SystemCode, list[dict[str, str]]]) -> dict[str, Any]:
    """One ConceptMap group: the elements that lead from one system to another."""
    listed = [
        {**_filled({"code": code, "display": display}), "target": targets}
        for (code, display), targets in elements.items()
    ]
    return {**_filled({"source": systems[0], "target": systems[1]}), "element": listed}


def _filled(cells: Mapping[str, str]) -> dict[str, str]:
    """The cells with content: FHIR allows no empty strings."""
    return {name: value for name, value in cells.items() if value}


def _validated(concept_map: dict[str, Any], center_id: str) -> dict[str, Any]:
    """The same ConceptMap once fhir.resources accepts it."""
    try:
        ConceptMap.model_validate(concept_map)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"])
        raise TerminologyError(
            f"The codes of center {center_id} are no valid FHIR ConceptMap: {path}: {first['msg']}.",
            "Correct the cell; codes and system URLs hold no blanks.",
        ) from error
    return concept_map


def _map_row(place: str, row: Mapping[str, str]) -> MapRow:
    """One checked line of a center's map."""
    need(place, row, ("source_system", "source_code", "equivalence", "status"))
    one_of(place, "equivalence", row["equivalence"], COUNTED | REVIEW_ONLY)
    one_of(place, "status", row["status"], MAP_STATUSES)
    if row["status"] == "approved":
        _check_sign_off(place, row)
    return MapRow(
        place=place,
        source=(row["source_system"], row["source_code"]),
        source_display=row["source_display"],
        target=(row["target_system"], row["target_code"]),
        target_display=row["target_display"],
        equivalence=row["equivalence"],
        status=row["status"],
        verified_by=row["verified_by"],
        verified_on=row["verified_on"],
        comment=row["comment"],
    )


def _check_sign_off(place: str, row: Mapping[str, str]) -> None:
    """An approved row says who approved what and when; R4 asks for a comment where meaning is lost."""
    need(place, row, ("verified_by", "verified_on"))
    try:
        date.fromisoformat(row["verified_on"])
    except ValueError:
        raise wrong_cell(place, "verified_on", "this is no day", "Write the day as 2026-11-30.") from None
    if row["equivalence"] == "unmatched":
        if row["target_code"]:
            raise wrong_cell(
                place,
                "target_code",
                "an unmatched code has no target",
                "Empty it or change equivalence.",
            )
        return
    need(place, row, ("target_system", "target_code"))
    if row["equivalence"] in {"narrower", "inexact"}:
        need(place, row, ("comment",))


def _canonical_code(
    place: str, row: Mapping[str, str], path: Traversable, aliases: Mapping[str, str]
) -> CanonicalCode:
    """One checked line of a canonical code set."""
    need(place, row, ("code_set", "concept", "system", "code", "display", "status", "source"))
    one_of(place, "status", row["status"], CODE_STATUSES)
    stem = path.name.removesuffix(".csv")
    is_text = row["system"] == TEXT_SYSTEM
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


def _check_requirements(codes: Sequence[tuple[str, CanonicalCode]]) -> None:
    """`requires` names something the core rules know: a spine site, or a question of a pain score."""
    known = {"", "spine_site"} | {code.code for _, code in codes if code.code_set == "pain_score"}
    for place, code in codes:
        one_of(place, "requires", code.requires, known)
