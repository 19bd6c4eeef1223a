"""SQL identifiers: the one place where a name becomes part of a statement. Values are bound instead."""

from collections.abc import Iterable


def quoted(name: str) -> str:
    """Return `schema.table` or `column` as a quoted SQL identifier, each part between double quotes."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))


def with_names(statement: str, **names: str | Iterable[str]) -> str:
    """Return `statement` with every `{placeholder}` replaced by its quoted name, or list of names."""
    return statement.format(
        **{
            placeholder: quoted(name) if isinstance(name, str) else ", ".join(quoted(part) for part in name)
            for placeholder, name in names.items()
        }
    )


def literal(text: str) -> str:
    """Return `text` as an SQL string literal, for statements that take no bound values (COMMENT, ATTACH)."""
    return "'" + text.replace("'", "''") + "'"
