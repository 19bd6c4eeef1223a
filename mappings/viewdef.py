"""ViewDefinition: the JSON form in which mappings are written, read strictly.

Source: SQL on FHIR 2.0.0 (https://sql-on-fhir.org/ig/2.0.0) and the 3.0.0 ballot of HL7, whose expressive
part is the same plus `repeat` and `%rowIndex`. Every misspelt or misplaced key is an error that names the
file, the place and what is allowed there. Paths stay text here; the compiler reads them.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    StrictBool,
    StrictInt,
    StrictStr,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from mappings.errors import ViewError

SqlName = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=255)]
_FILE_NAME = re.compile(r"(?P<table>[a-z][a-z0-9_]*)(?:\.(?P<version>r4|r5))?\.json")
# Metadata of the artifact that no reader of rows needs: taken as it is.
Metadata = Any


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False)


class Tag(_Part):
    """A hint for runners; `ansi/type` sets the SQL type of a column."""

    name: StrictStr
    value: StrictStr


class Column(_Part):
    """One output column: a FHIRPath and the FHIR type of its values."""

    name: SqlName
    path: StrictStr
    description: StrictStr | None = None
    collection: StrictBool = False
    type: StrictStr | None = None
    tag: tuple[Tag, ...] = ()

    @property
    def ansi_type(self) -> str | None:
        """The SQL type asked for by an `ansi/type` tag."""
        return next((tag.value for tag in self.tag if tag.name == "ansi/type"), None)


class Select(_Part):
    """Columns, nested selects and unions, evaluated once or for each element of a path."""

    column: tuple[Column, ...] = ()
    select: tuple["Select", ...] = ()
    for_each: StrictStr | None = Field(default=None, alias="forEach")
    for_each_or_null: StrictStr | None = Field(default=None, alias="forEachOrNull")
    repeat: Annotated[tuple[StrictStr, ...], Field(min_length=1)] | None = None
    union_all: tuple["Select", ...] = Field(default=(), alias="unionAll")

    @model_validator(mode="after")
    def _one_iteration(self) -> "Select":
        if sum(path is not None for path in (self.for_each, self.for_each_or_null, self.repeat)) > 1:
            raise ValueError("only one of forEach, forEachOrNull and repeat is allowed in one select")
        return self


class Constant(_Part):
    """A named value that paths use as `%name`; exactly one `value[x]`."""

    name: SqlName
    value_base64_binary: StrictStr | None = Field(default=None, alias="valueBase64Binary")
    value_boolean: StrictBool | None = Field(default=None, alias="valueBoolean")
    value_canonical: StrictStr | None = Field(default=None, alias="valueCanonical")
    value_code: StrictStr | None = Field(default=None, alias="valueCode")
    value_date: StrictStr | None = Field(default=None, alias="valueDate")
    value_date_time: StrictStr | None = Field(default=None, alias="valueDateTime")
    value_decimal: Decimal | None = Field(default=None, alias="valueDecimal", allow_inf_nan=False)
    value_id: StrictStr | None = Field(default=None, alias="valueId")
    value_instant: StrictStr | None = Field(default=None, alias="valueInstant")
    value_integer: StrictInt | None = Field(default=None, alias="valueInteger")
    value_integer64: StrictInt | None = Field(default=None, alias="valueInteger64")
    value_oid: StrictStr | None = Field(default=None, alias="valueOid")
    value_positive_int: StrictInt | None = Field(default=None, alias="valuePositiveInt")
    value_string: StrictStr | None = Field(default=None, alias="valueString")
    value_time: StrictStr | None = Field(default=None, alias="valueTime")
    value_unsigned_int: StrictInt | None = Field(default=None, alias="valueUnsignedInt")
    value_uri: StrictStr | None = Field(default=None, alias="valueUri")
    value_url: StrictStr | None = Field(default=None, alias="valueUrl")
    value_uuid: StrictStr | None = Field(default=None, alias="valueUuid")

    @model_validator(mode="after")
    def _one_value(self) -> "Constant":
        if len(self._given()) != 1:
            raise ValueError("a constant needs exactly one value, such as valueString or valueCode")
        return self

    def _given(self) -> list[tuple[str, Any]]:
        fields = type(self).model_fields.items()
        found = [(str(field.alias), getattr(self, name)) for name, field in fields if name != "name"]
        return [(alias, value) for alias, value in found if value is not None]

    @property
    def typed_value(self) -> tuple[str, str | int | bool | Decimal]:
        """The FHIR type (`valueDateTime` -> `dateTime`) and the value."""
        alias, value = self._given()[0]
        suffix = alias.removeprefix("value")
        return suffix[0].lower() + suffix[1:], value


class Where(_Part):
    """A condition on the resource."""

    path: StrictStr
    description: StrictStr | None = None


class ViewDefinition(_Part):
    """A tabular view of one resource type."""

    resource_type: StrictStr | None = Field(
        default=None, alias="resourceType", pattern=r"^(https?://\S+/StructureDefinition/)?ViewDefinition$"
    )
    resource: Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Z][A-Za-z]+$")]
    select: Annotated[tuple[Select, ...], Field(min_length=1)]
    where: tuple[Where, ...] = ()
    constant: tuple[Constant, ...] = ()
    name: SqlName | None = None
    title: StrictStr | None = None
    description: StrictStr | None = None
    status: StrictStr | None = None
    url: StrictStr | None = None
    version: StrictStr | None = None
    fhir_version: tuple[StrictStr, ...] = Field(default=(), alias="fhirVersion")
    id: StrictStr | None = None
    meta: Metadata = None
    text: Metadata = None
    extension: Metadata = None
    identifier: Metadata = None
    version_algorithm_string: Metadata = Field(default=None, alias="versionAlgorithmString")
    version_algorithm_coding: Metadata = Field(default=None, alias="versionAlgorithmCoding")
    experimental: StrictBool | None = None
    date: StrictStr | None = None
    publisher: StrictStr | None = None
    contact: Metadata = None
    use_context: Metadata = Field(default=None, alias="useContext")
    jurisdiction: Metadata = None
    purpose: StrictStr | None = None
    copyright: StrictStr | None = None
    copyright_label: StrictStr | None = Field(default=None, alias="copyrightLabel")
    approval_date: StrictStr | None = Field(default=None, alias="approvalDate")
    last_review_date: StrictStr | None = Field(default=None, alias="lastReviewDate")
    effective_period: Metadata = Field(default=None, alias="effectivePeriod")
    topic: Metadata = None
    author: Metadata = None
    editor: Metadata = None
    reviewer: Metadata = None
    endorser: Metadata = None
    related_artifact: Metadata = Field(default=None, alias="relatedArtifact")
    profile: tuple[StrictStr, ...] = ()
    _origin: str = PrivateAttr(default="")

    @property
    def origin(self) -> str:
        """What errors call this view: its file, else its name."""
        return self._origin or (f"view {self.name}" if self.name else "the view")


@dataclass(frozen=True, slots=True)
class NamedView:
    """A view file: the table it fills and the FHIR version it is for ('R4', 'R5' or None for both)."""

    table: str
    fhir_version: str | None
    view: ViewDefinition
    path: Traversable


def parse_view(data: Mapping[str, Any], origin: str = "") -> ViewDefinition:
    """Check a ViewDefinition given as JSON data; `origin` is what errors call it. Raises `ViewError`."""
    try:
        view = ViewDefinition.model_validate(data)
    except ValidationError as error:
        problems = "; ".join(_problem(detail) for detail in _causes(error.errors(include_url=False)))
        raise ViewError(
            f"{origin or 'The view'} is not a ViewDefinition: {problems}.", "Correct the places named."
        ) from None
    view._origin = origin  # noqa: SLF001 -- frozen model, set once by its only reader
    return view


def load_view(path: Traversable | Path) -> ViewDefinition:
    """Read one ViewDefinition file. Raises `ViewError` naming the file, the place and what is allowed."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except (OSError, ValueError) as error:
        raise ViewError(f"{path} cannot be read as JSON: {error}.", "Correct the file.") from None
    if not isinstance(data, dict):
        raise ViewError(f"{path} holds no JSON object.", "Write one ViewDefinition per file.")
    return parse_view(data, str(path))


def load_views(folder: Traversable | Path) -> list[NamedView]:
    """Read every view of a folder, sorted by file name.

    Files are named `<table>.json` for both FHIR versions, or `<table>.r4.json` and `<table>.r5.json`.
    Raises `ViewError` for other names and for a table with both forms.
    """
    files = sorted((path for path in folder.iterdir() if path.name.endswith(".json")), key=lambda p: p.name)
    views = [_named(path) for path in files]
    general = {view.table for view in views if view.fhir_version is None}
    for view in views:
        if view.fhir_version is not None and view.table in general:
            raise ViewError(
                f"{view.path.name} and {view.table}.json both fill {view.table}.",
                f"Keep {view.table}.json, or one file each for r4 and r5.",
            )
    return views


def _named(path: Traversable) -> NamedView:
    match = _FILE_NAME.fullmatch(path.name)
    if match is None:
        raise ViewError(
            f"{path.name} is not a name for a view file.",
            "Name it <table>.json, <table>.r4.json or <table>.r5.json, the table in lower case.",
        )
    version = match["version"]
    return NamedView(match["table"], version.upper() if version else None, load_view(path), path)


# Which model stands where: the last name in an error's location decides which keys are allowed there.
_MODELS: Mapping[str, type[_Part]] = {
    "select": Select, "unionAll": Select, "column": Column, "constant": Constant, "where": Where, "tag": Tag,
}  # fmt: skip


def _causes(details: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Without "too short" of a list that is so only because an item in it is wrong."""
    places = [detail["loc"] for detail in details]

    def is_consequence(detail: ErrorDetails) -> bool:
        loc = detail["loc"]
        return detail["type"] == "too_short" and any(
            len(p) > len(loc) and p[: len(loc)] == loc for p in places
        )

    return [detail for detail in details if not is_consequence(detail)]


def _problem(detail: ErrorDetails) -> str:
    location = detail["loc"]
    place = _place(location)
    if detail["type"] == "extra_forbidden":
        names = [part for part in location[:-1] if isinstance(part, str)]
        model = _MODELS[names[-1]] if names else ViewDefinition
        allowed = ", ".join(str(field.alias or name) for name, field in model.model_fields.items())
        return f"{place} is not known; allowed: {allowed}"
    return f"{place}: {detail['msg'].removeprefix('Value error, ')}" if place else detail["msg"]


def _place(location: Sequence[int | str]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")
