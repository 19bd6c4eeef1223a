"""Codes: canonical code sets, each center's signed-off map onto them, and the join table made of both.

The canonical sets are read by `terminology_codes`; a center's `codes/*.csv` (local code -> canonical code,
with who verified it and when) are a FHIR R4 ConceptMap, edited as CSV.

A row of a center's map counts when it is approved and its equivalence says that the source means the
target or something within it: `equivalent`, `equal`, `wider`, `subsumes` (R4 words them from the target's
side: `wider` is "the target is wider than the source"). `narrower`, `specializes`, `inexact`, `relatedto`,
`disjoint` and `unmatched` document a review and count nothing: by them a patient could enter the cohort who
does not belong to it. Nothing is guessed: a code that is in neither list stays unmapped.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from fhir.resources.R4B.conceptmap import ConceptMap
from fhir.resources.R4B.valueset import ValueSet
from pydantic import BaseModel, ValidationError

from mappings.csvfile import csv_files, read_rows, wrong_cell
from mappings.errors import TerminologyError
from mappings.terminology_codes import (
    ALIAS_COLUMNS,
    CODE_COLUMNS,
    TEXT_SYSTEM,
    CanonicalCode,
    SystemCode,
    load_aliases,
    load_codes,
    text_code,
)
from mappings.terminology_rows import COUNTED, MAP_COLUMNS, MapRow, map_row, row_problems

__all__ = [
    "ALIAS_COLUMNS",
    "CODE_COLUMNS",
    "MAP_COLUMNS",
    "TEXT_SYSTEM",
    "CanonicalCode",
    "CenterMap",
    "MapRow",
    "MappedCode",
    "SystemCode",
    "code_map",
    "load_aliases",
    "load_center_map",
    "load_codes",
    "query_codes",
    "require_valid",
    "text_code",
]

Targets: TypeAlias = Mapping[SystemCode, Sequence[CanonicalCode]]

_MODELS: Mapping[str, type[BaseModel]] = {"ConceptMap": ConceptMap, "ValueSet": ValueSet}


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


@dataclass(frozen=True, slots=True)
class RowProblem:
    """What is wrong with the target or the meaning of one row."""

    row: MapRow
    error: TerminologyError


def load_center_map(folder: Path, center_id: str) -> CenterMap:
    """The map a center signed off: all CSV files of its `codes` folder; no folder is an empty map.

    Raises TerminologyError naming file, row and column; targets are checked against the canonical sets by
    `code_map`.
    """
    rows: list[MapRow] = []
    for path in csv_files(folder) if folder.is_dir() else ():
        for place, cells in read_rows(path, MAP_COLUMNS):
            for problem in row_problems(place, cells):
                raise problem
            rows.append(map_row(place, cells))
    for repeated in repetitions(rows):
        raise repeated.error
    concept_map = _concept_map(center_id, rows)
    require_valid(concept_map, f"The codes of center {center_id}")
    return CenterMap(center_id, tuple(rows), concept_map)


def repetitions(rows: Iterable[MapRow]) -> list[RowProblem]:
    """The rows that state a mapping again."""
    first: dict[tuple[SystemCode, SystemCode], MapRow] = {}
    problems = []
    for row in rows:
        known = first.setdefault((row.source, row.target), row)
        if known is not row:
            problem = f"the same mapping as in {known.place}"
            problems.append(
                RowProblem(row, wrong_cell(row.place, "source_code", problem, "Remove one of them."))
            )
    return problems


def code_map(canonical: Iterable[CanonicalCode], center_maps: Iterable[CenterMap]) -> list[MappedCode]:
    """The join table, sorted: for each center every canonical code and its own codes that count.

    A source system written as an alias gives two rows, as written and resolved: the resolved one joins
    (codings are resolved first), the other is what the center's server must be asked for.
    Raises TerminologyError for a target in no canonical set and for a code that would mean two things.
    """
    targets = targets_of(canonical)
    aliases = load_aliases()
    mapped: list[MappedCode] = []
    for center_map in center_maps:
        approved = [row for row in center_map.rows if row.is_approved]
        codes, problems = resolve(center_map.center_id, approved, targets, aliases)
        for problem in problems:
            raise problem.error
        mapped += codes
    return sorted(mapped)


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


def targets_of(canonical: Iterable[CanonicalCode]) -> Targets:
    """The canonical codes by system and code: one may stand in several sets."""
    targets: dict[SystemCode, list[CanonicalCode]] = {}
    for code in canonical:
        targets.setdefault((code.system, code.code), []).append(code)
    return targets


def resolve(
    center_id: str, rows: Iterable[MapRow], targets: Targets, aliases: Mapping[str, str]
) -> tuple[list[MappedCode], list[RowProblem]]:
    """What the canonical codes and a center's rows mean there, and every row that cannot be followed.

    A code may have one meaning per code set; of two rows that differ the first one stands.
    """
    meanings = {
        (*source, code.code_set): ((code.concept, code.requires), "the canonical code sets")
        for source, codes in targets.items()
        for code in codes
    }
    problems: list[RowProblem] = []
    for row in rows:
        found = _targets(row, targets, aliases)
        if isinstance(found, TerminologyError):
            problems.append(RowProblem(row, found))
            continue
        for code in found:
            for source in _spellings(row.source, aliases):
                meaning = ((code.concept, code.requires), row.place)
                known = meanings.setdefault((*source, code.code_set), meaning)
                if known[0] != meaning[0]:
                    problems.append(RowProblem(row, _conflict(row, code.code_set, known[1])))
                    break
    mapped = [
        MappedCode(center_id, system, source_code, code_set, concept, requires)
        for (system, source_code, code_set), ((concept, requires), _) in meanings.items()
    ]
    return mapped, problems


def _spellings(source: SystemCode, aliases: Mapping[str, str]) -> set[SystemCode]:
    system, code = source
    if system == TEXT_SYSTEM:
        return {(system, text_code(code))}
    return {(system, code), (aliases.get(system, system), code)}


def _conflict(row: MapRow, code_set: str, other: str) -> TerminologyError:
    return wrong_cell(
        row.place,
        "target_code",
        f"{row.source[1]} has another meaning in the set {code_set} by {other}",
        "Keep one meaning per source code: correct or remove one of the rows.",
    )


def _targets(
    row: MapRow, targets: Targets, aliases: Mapping[str, str]
) -> Sequence[CanonicalCode] | TerminologyError:
    """The canonical codes a row leads to: none when its equivalence does not count."""
    if row.equivalence == "unmatched":
        return ()
    system, code = aliases.get(row.target[0], row.target[0]), row.target[1]
    found = targets.get((system, code))
    if found is not None:
        return found if row.equivalence in COUNTED else ()
    is_system_known = any(system == known for known, _ in targets)
    return wrong_cell(
        row.place,
        "target_code" if is_system_known else "target_system",
        f"{code} of {system} is in no canonical code set"
        if is_system_known
        else f"no canonical code set knows the system {system}",
        "Choose a target from mappings/codes, or set equivalence to unmatched without a target.",
    )


def _concept_map(center_id: str, rows: Iterable[MapRow]) -> dict[str, Any]:
    """The approved rows as a FHIR R4 ConceptMap."""
    groups: dict[SystemCode, dict[SystemCode, list[dict[str, str]]]] = {}
    for row in rows:
        if row.is_approved:
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
        "id": f"codes-of-center-{center_id}",
        "url": f"urn:cryocohort:center:{center_id}:codes",
        "name": f"CodesOfCenter_{center_id.replace('-', '_')}",
        "title": f"Codes of center {center_id} as its data manager signed them off",
        "status": "active",
    }
    if groups:
        concept_map["group"] = [_group(systems, elements) for systems, elements in groups.items()]
    return concept_map


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


def require_valid(content: Mapping[str, Any], origin: str) -> None:
    """Raise TerminologyError unless fhir.resources accepts this ConceptMap or ValueSet (R4B)."""
    kind = content["resourceType"]
    try:
        _MODELS[kind].model_validate(content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        path = ".".join(str(part) for part in first["loc"])
        raise TerminologyError(
            f"{origin}: no valid FHIR R4 {kind}: {path}: {first['msg']}.",
            "Correct the element named; codes and system URLs hold no blanks, nothing is empty.",
        ) from error
