"""Which view reads which center into which flat table, compiled, and the fingerprint of each.

Every center is read by the view of its FHIR version, or by its own view of the same table where its folder
has one; all centers' rows stand in one table.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path

from mappings.compiler import CompiledColumn, CompiledView, compile_view
from mappings.errors import ViewError
from mappings.viewdef import NamedView, Select, load_views
from warehouse.names import literal, quoted
from warehouse.owner import NUMBERS, OWNER_NUMBER, PATIENT_NUMBER, Owner, patient_number

_COMPILED: dict[tuple[str, str], CompiledView] = {}

PATIENT_KEY = "patient_key"
CARRIED = {"center_id": "Center that sent the resource.", "run_id": "Run that landed this version."}


@dataclass(frozen=True, slots=True)
class BuildCenter:
    """A center as the build sees it; `views_folder` holds the views it shapes differently, if any."""

    center_id: str
    base_url: str
    fhir_version: str
    views_folder: Path | None = None


@dataclass(frozen=True, slots=True)
class FlatPart:
    """The part of a flat table that one view fills, and the centers it reads.

    `key` is the column of the resource's key, by which rows are replaced; empty when the view has none.
    """

    table: str
    view: CompiledView
    centers: tuple[BuildCenter, ...]
    key: str

    @property
    def columns(self) -> list[str]:
        """Names of the view's own columns."""
        return [column.name for column in self.view.columns]

    @property
    def owner(self) -> Owner:
        """Whose its rows are; only for a part that has a key."""
        return Owner(literal(self.view.resource), quoted(self.key))

    @property
    def numbers(self) -> dict[str, str]:
        """The numbers that its rows carry, by column, as SQL over the view's columns; none without a key."""
        numbers = {OWNER_NUMBER: self.owner.number} if self.key else {}
        if self.key != PATIENT_KEY and numbers and PATIENT_KEY in self.columns:
            numbers[PATIENT_NUMBER] = patient_number(quoted(PATIENT_KEY))
        return numbers

    @property
    def center_ids(self) -> list[str]:
        """The centers it reads."""
        return [center.center_id for center in self.centers]

    def base_url(self, center: BuildCenter) -> str:
        """What the center's rows depend on: its base URL, or '' when the view resolves no reference."""
        return center.base_url if "base_url" in self.view.sql else ""


@dataclass(frozen=True, slots=True)
class FlatTable:
    """A flat table: its parts, and the columns that the first of them gives it."""

    name: str
    parts: tuple[FlatPart, ...]

    @property
    def columns(self) -> tuple[CompiledColumn, ...]:
        """The columns besides the carried ones."""
        return self.parts[0].view.columns

    @property
    def numbers(self) -> list[str]:
        """The columns of the numbers that rows carry."""
        return list(dict.fromkeys(column for part in self.parts for column in part.numbers))

    @property
    def center_ids(self) -> list[str]:
        """The centers whose rows stand in it."""
        return [center_id for part in self.parts for center_id in part.center_ids]


def flat_tables(parts: Sequence[FlatPart]) -> list[FlatTable]:
    """The planned parts by table."""
    names = dict.fromkeys(part.table for part in parts)
    return [FlatTable(name, tuple(part for part in parts if part.table == name)) for name in names]


def plan_flat(centers: Sequence[BuildCenter], views: Traversable) -> list[FlatPart]:
    """Decide which view reads which center, and compile each once.

    Raises ViewError when a table lacks a view for a center's FHIR version or two views of a table differ in
    their columns.
    """
    shipped = load_views(views)
    own = {center.center_id: load_views(center.views_folder) for center in centers if center.views_folder}
    parts: list[FlatPart] = []
    for table in dict.fromkeys(view.table for view in shipped):
        chosen: dict[tuple[str, str], tuple[NamedView, list[BuildCenter]]] = {}
        for center in centers:
            view = _view_of(center, table, (own.get(center.center_id, []), shipped))
            key = (str(view.path), center.fhir_version)
            chosen.setdefault(key, (view, []))[1].append(center)
        parts.extend(_compiled(view, readers) for view, readers in chosen.values())
    _require_equal_columns(parts)
    return parts


def _view_of(center: BuildCenter, table: str, sources: Sequence[Sequence[NamedView]]) -> NamedView:
    for views in sources:
        for view in views:
            if view.table == table and view.fhir_version in (None, center.fhir_version):
                return view
    raise ViewError(
        f"No view fills {table} for FHIR {center.fhir_version}, the version of center {center.center_id}.",
        f"Add {table}.{center.fhir_version.lower()}.json.",
    )


def _compiled(view: NamedView, centers: Sequence[BuildCenter]) -> FlatPart:
    compiled = _compiled_once(view, centers[0].fhir_version)
    if taken := NUMBERS.keys() & {column.name.lower() for column in compiled.columns}:
        raise ViewError(
            f"{view.path.name} names a column {', '.join(sorted(taken))}, which flat tables have already.",
            "Give the column another name.",
        )
    key = next(_keys(view.view.select), "")
    return FlatPart(view.table, compiled, tuple(centers), key)


def _compiled_once(view: NamedView, fhir_version: str) -> CompiledView:
    """The view compiled; a night plans several times, and the same view compiles to the same."""
    key = (view.view.model_dump_json(), fhir_version)
    if key not in _COMPILED:
        _COMPILED[key] = compile_view(view.view, fhir_version=fhir_version, carry=tuple(CARRIED))
    return _COMPILED[key]


def _keys(selects: Sequence[Select]) -> Iterator[str]:
    """Columns that hold the resource's key in every row; the branches of a union may each have another."""
    for select in selects:
        yield from (column.name for column in select.column if column.path.strip() == "getResourceKey()")
        yield from _keys(select.select)


def _require_equal_columns(parts: Sequence[FlatPart]) -> None:
    first: dict[str, FlatPart] = {}
    for part in parts:
        other = first.setdefault(part.table, part)
        if part.columns != other.columns:
            raise ViewError(
                f"The views of {part.table} give different columns: {', '.join(part.columns)} for "
                f"{_names(part)}, {', '.join(other.columns)} for {_names(other)}.",
                "Give every view of a table the same columns in the same order.",
            )


def _names(part: FlatPart) -> str:
    return ", ".join(part.center_ids)
