"""What the page is made of: sections of tables and figures, ready to print."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from outcomes.plots.canvas import Drawing
from outcomes.report.origins import Origin
from outcomes.results import ALL, center_group


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a table; a heading row spans the table, `tone` marks a row that needs attention.

    `anchor` is the part of the page that the first cell links to.
    """

    cells: tuple[str, ...]
    is_heading: bool = False
    tone: str = ""
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its caption and what has to be said below it; `text_columns` are read, not compared.

    `is_folded` keeps a long table closed until a reader opens it. `origins` are those of the whole table; a
    line with an anchor has its own.
    """

    kind: ClassVar[str] = "table"

    caption: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()
    text_columns: tuple[int, ...] = (0,)
    is_folded: bool = False
    origins: tuple[Origin, ...] = ()


@dataclass(frozen=True, slots=True)
class Plot:
    """A figure, what it shows in plain words, and where it comes from."""

    kind: ClassVar[str] = "plot"

    drawing: Drawing
    caption: str
    origins: tuple[Origin, ...]


@dataclass(frozen=True, slots=True)
class Definition:
    """What a metric or a table means and how it is made: its file, and the checksum that tells its version.

    `name` is the file's, `language` that of the file, `facts` what else belongs to it.
    """

    kind: ClassVar[str] = "definition"

    anchor: str
    title: str
    text: str
    name: str
    facts: str
    language: str
    file: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page under one heading; `lead` says in plain words what is read there."""

    anchor: str
    title: str
    lead: str
    parts: tuple[Table | Plot | Definition, ...]
    is_appendix: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """A column of figures: the group of results, and the center it stands for (None: all centers)."""

    label: str
    name: str
    center_id: str | None = None


def groups(centers: Sequence[tuple[str, str]]) -> list[Group]:
    """All centers first, then each center by (id, name)."""
    return [Group("All centers", ALL), *(Group(name, center_group(cid), cid) for cid, name in centers)]
