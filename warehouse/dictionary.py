"""The data dictionary: every core and cohort table in words, made from the headers of the SQL files."""

from collections.abc import Sequence

from warehouse.sqlfile import SqlFile, TableHeader


def data_dictionary(files: Sequence[SqlFile[TableHeader]]) -> str:
    """Return the dictionary as Markdown, one section a table, by table name."""
    sections = [_section(file.header) for file in sorted(files, key=lambda file: file.header.table)]
    return "\n".join(["# Data dictionary", *sections])


def _section(header: TableHeader) -> str:
    lines = [
        f"\n## {header.table}\n",
        f"**{header.title}.** One row: {header.grain}. Key: {_names(header.key)}.\n",
        f"{header.definition.strip()}\n",
        f"Source: {header.reference}. Made from {_names(header.needs)}.\n",
        "| Column | Meaning |",
        "| --- | --- |",
        *(f"| `{column}` | {_cell(meaning)} |" for column, meaning in header.columns.items()),
    ]
    return "\n".join(lines)


def _names(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
