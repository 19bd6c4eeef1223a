"""Codes as a data manager keeps them: checking a center's files, seeing what is unmapped, FHIR in and out."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mappings.errors import ConfigError, WarehouseError
from mappings.terminology import (
    TEXT_SYSTEM,
    MapRow,
    code_map,
    load_aliases,
    load_center_map,
    load_codes,
)
from mappings.terminology_check import CodeProblem, check_center
from mappings.terminology_fhir import rows_of_concept_map, value_sets
from mappings.terminology_rows import MAP_COLUMNS, fhir_code, row_problems, write_rows
from service.run import open_warehouse
from service.settings import CenterSettings, Settings
from warehouse.terms import UnmappedCode, unmapped_codes

IMPORTED = "imported.csv"


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a ConceptMap: the file written, the draft rows added, the mappings already there."""

    file: Path
    added: int
    known: int


def check_codes(settings: Settings) -> list[CodeProblem]:
    """Every problem of every center's code files."""
    canonical, aliases = load_codes(), load_aliases()
    return [
        problem
        for center in settings.centers
        for problem in check_center(_folder(center), center.center_id, canonical, aliases)
    ]


def read_unmapped(settings: Settings, center_id: str | None = None) -> list[UnmappedCode]:
    """The codes that meant nothing at the last refresh, of one center or all, the most used first.

    Raises WarehouseError before the first sync, WarehouseBusyError while a run is under way.
    """
    if center_id is not None:
        settings.center(center_id)
    if not settings.warehouse_folder.is_dir():
        raise WarehouseError(
            f"{settings.warehouse_folder}: there is no warehouse yet.",
            "run `cryocohort sync`, then `cryocohort refresh`.",
        )
    with open_warehouse(settings) as warehouse:
        return [code for code in unmapped_codes(warehouse) if center_id in (None, code.center_id)]


def skeleton(codes: Iterable[UnmappedCode]) -> str:
    """A center's code file as CSV to fill in: one draft row a code, the most used first.

    A code used in several elements is one row, a code without a system none: nothing can be mapped to it.
    """
    rows: dict[tuple[str, str], Mapping[str, str]] = {}
    for code in codes:
        source = code.system, fhir_code(code.system, code.code)
        if code.system and source not in rows:
            rows[source] = {
                "source_system": source[0],
                "source_code": source[1],
                "source_display": "" if code.system == TEXT_SYSTEM else code.display,
                "status": "draft",
            }
    return write_rows(rows.values(), with_header=True)


def export_fhir(settings: Settings, folder: Path) -> list[Path]:
    """Write a ConceptMap per center and a ValueSet per canonical code set into `folder`; returns the files.

    Raises TerminologyError for files that `codes check` finds errors in, ConfigError for a folder that cannot
    be written to.
    """
    canonical = load_codes()
    maps = [load_center_map(_folder(center), center.center_id) for center in settings.centers]
    code_map(canonical, maps)
    made = [*(center_map.concept_map for center_map in maps), *value_sets(canonical)]
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        return [_write(folder, content) for content in made]


def import_concept_map(settings: Settings, center_id: str, file: Path) -> Imported:
    """Add a ConceptMap's mappings to a center's `imported.csv` as drafts, to be reviewed and signed off.

    Rows that are there, in whatever file and status, stay as they are: approved ones are never overwritten.
    Raises TerminologyError for a file that is no R4 ConceptMap or whose rows cannot stand in a code file,
    ConfigError when the center's file cannot be written: it stays as it was.
    """
    center = settings.center(center_id)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"{file} cannot be read as UTF-8 text.", "Name a ConceptMap as JSON.") from None
    rows = rows_of_concept_map(text, str(file))
    _require_writable(rows, file)
    there = {_mapping(row) for row in load_center_map(_folder(center), center_id).rows}
    new = [row for row in rows if _mapping_of(row) not in there]
    target = _folder(center) / IMPORTED
    if new:
        with _writing(target):
            _append(target, new)
    return Imported(target, len(new), len(rows) - len(new))


def _folder(center: CenterSettings) -> Path:
    return center.folder / "codes"


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"{target} cannot be written ({error.strerror or type(error).__name__}).",
            "check the free space and the permissions there, then run it again.",
        ) from None


def _write(folder: Path, content: Mapping[str, Any]) -> Path:
    path = folder / f"{content['resourceType']}-{content['id']}.json"
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def _mapping(row: MapRow) -> tuple[str, ...]:
    return (*row.source, *row.target)


def _mapping_of(row: Mapping[str, str]) -> tuple[str, ...]:
    return row["source_system"], row["source_code"], row["target_system"], row["target_code"]


def _require_writable(rows: Iterable[Mapping[str, str]], origin: Path) -> None:
    for number, row in enumerate(rows, start=1):
        cells = {column: row.get(column, "") for column in MAP_COLUMNS}
        for problem in row_problems(f"{origin}, mapping {number}", cells):
            raise problem


def _append(path: Path, rows: Iterable[Mapping[str, str]]) -> None:
    """Put rows at the end of a code file, in one step."""
    before = path.read_bytes() if path.exists() else b""
    if before and not before.endswith(b"\n"):
        before += b"\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".new")
    try:
        aside.write_bytes(before + write_rows(rows, with_header=not before).encode("utf-8"))
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
