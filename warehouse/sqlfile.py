"""SQL files that describe themselves: a leading block of `-- ` comments holds TOML, the rest is one SELECT.

    -- table = "core.session"
    -- key = ["session_key"]
    SELECT ...

The body carries no semicolon and no second statement. Every misspelt, missing or mistyped field is a
SqlFileError that names the file and the field.
"""

import functools
import graphlib
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

import duckdb
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mappings.errors import SqlFileError
from warehouse.owner import Owner

_TABLE = r"^(flat|core|outcomes)\.[a-z][a-z0-9_]*$"
Text = Annotated[str, Field(min_length=1)]


class _Header(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class TableHeader(_Header):
    """The header of a file that makes a table: what a row is, its key, its sources and every column.

    `owner` is for a table whose rows each come from one resource and those that it hangs together with (by
    patient or reference): two SQL expressions over its columns, the type and the key of that resource.
    """

    table: Annotated[str, Field(pattern=_TABLE)]
    title: Text
    grain: Text
    key: Annotated[list[Text], Field(min_length=1)]
    needs: Annotated[list[Text], Field(min_length=1)]
    owner: Annotated[list[Text], Field(min_length=2, max_length=2)] | None = None
    reference: Text
    definition: Text
    columns: Annotated[dict[str, Text], Field(min_length=1)]

    @property
    def owned_by(self) -> Owner | None:
        """What `owner` says."""
        return Owner(*self.owner) if self.owner else None

    @property
    def numbers(self) -> dict[str, str]:
        """The numbers that the table's rows carry besides its columns, by column, as SQL over these."""
        return self.owned_by.numbers_of(self.table) if self.owned_by else {}

    @property
    def comment(self) -> str:
        """What the table says of itself in the database: title, grain, key, definition and source."""
        parts = (
            f"{self.title}. One row: {self.grain}. Key: {', '.join(self.key)}.",
            " ".join(self.definition.split()),
            f"Source: {' '.join(self.reference.split()).removesuffix('.')}.",
        )
        return "\n\n".join(parts)


class CheckHeader(_Header):
    """The header of a quality check.

    The body gives the violating rows, `denominator` is a query of one number: the rows looked at. The check
    is violated when more than the share `threshold` of them (0 to 1) violates it.
    """

    check: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    title: Text
    category: Literal["conformance", "completeness", "plausibility"]
    severity: Literal["fatal", "convention", "characterization"]
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.0
    denominator: Text
    advice: Text
    reference: Text | None = None


Header = TypeVar("Header", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class SqlFile(Generic[Header]):
    """A parsed file: its name for messages, its header and its SELECT statement."""

    name: str
    header: Header
    body: str


def read_header(path: Traversable | Path) -> tuple[dict[str, Any], str]:
    """Split a file into its header (plain TOML values) and its body, one SELECT statement."""
    fields, body = _split(path.name, path.read_text(encoding="utf-8"))
    return dict(fields), body


@functools.cache  # a refresh reads the same texts twice, a service every night
def _split(name: str, text: str) -> tuple[dict[str, Any], str]:
    lines = text.splitlines()
    end = next((number for number, line in enumerate(lines) if not line.startswith("--")), len(lines))
    header = "\n".join(re.sub(r"^-- ?", "", line) for line in lines[:end])
    body = "\n".join(lines[end:]).strip()
    try:
        fields = tomllib.loads(header)
    except tomllib.TOMLDecodeError as error:
        raise SqlFileError(
            f"The header of {name} is not TOML: {error}.", "Correct the comment block at its top."
        ) from None
    _require_one_select(name, body)
    return fields, body


def _require_one_select(name: str, body: str) -> None:
    try:
        statements = duckdb.extract_statements(body)
    except duckdb.Error as error:
        problem = f"is not SQL: {str(error).splitlines()[0]}"
    else:
        if len(statements) == 1 and statements[0].type == duckdb.StatementType.SELECT and body[-1] != ";":
            return
        problem = "is not one SELECT statement without a semicolon"
    raise SqlFileError(f"The body of {name} {problem}.", "Write one SELECT statement below the header.")


def read_sql_file(path: Traversable | Path, model: type[Header]) -> SqlFile[Header]:
    """Read one file and check its header against `model`."""
    return _checked(path.name, path.read_text(encoding="utf-8"), model)


@functools.cache  # a service reads the same texts every night
def _checked(name: str, text: str, model: type[Header]) -> SqlFile[Header]:
    fields, body = _split(name, text)
    try:
        return SqlFile(name, model.model_validate(fields), body)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in detail['loc'])}: {detail['msg']}" for detail in error.errors()
        )
        raise SqlFileError(
            f"The header of {name} is wrong: {problems}.", "Correct the fields named."
        ) from None


def read_sql_folder(folder: Traversable | Path, model: type[Header]) -> list[SqlFile[Header]]:
    """Read every `.sql` file of a folder, by name."""
    paths = sorted((path for path in folder.iterdir() if path.name.endswith(".sql")), key=lambda p: p.name)
    return [read_sql_file(path, model) for path in paths]


def in_order(files: Sequence[SqlFile[TableHeader]]) -> list[SqlFile[TableHeader]]:
    """Return the files so that each comes after those whose tables it needs.

    Raises SqlFileError when two files make one table or tables need each other in a circle.
    """
    by_table: dict[str, SqlFile[TableHeader]] = {}
    for file in files:
        first = by_table.setdefault(file.header.table, file)
        if first is not file:
            raise SqlFileError(
                f"{first.name} and {file.name} both make {file.header.table}.", "Rename one of the tables."
            )
    needs = {table: [n for n in file.header.needs if n in by_table] for table, file in by_table.items()}
    try:
        return [by_table[table] for table in graphlib.TopologicalSorter(needs).static_order()]
    except graphlib.CycleError as error:
        circle = " needs ".join(reversed(error.args[1]))
        raise SqlFileError(
            f"These tables need each other: {circle}.", "Break the circle in the headers' `needs`."
        ) from None
