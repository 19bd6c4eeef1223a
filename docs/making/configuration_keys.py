"""Every configuration key: type and default from its model, meaning from its comment in the shipped file."""

import re
import types
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from service.settings import CenterFile, SettingsFile

ROOT = Path(__file__).parents[2]
FILES: tuple[tuple[str, str, type[BaseModel]], ...] = (
    ("cryocohort.toml", "cryocohort.toml", SettingsFile),
    ("center.toml", "centers/a/center.toml", CenterFile),
)
SECTION = re.compile(r"^\[([a-z0-9_.]+)\]")
# A commented line shows a key that stands there instead of another: kinds of authentication, say.
KEY = re.compile(r"^(?:# )?([a-z0-9_]+) = [^#]*(?:#\s*(.+))?$")


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a file: its place, type, default as TOML and limits."""

    name: str
    kind: str
    default: str
    limits: str


def configuration() -> str:
    """One table a file."""
    lines = [
        "# Configuration keys",
        "",
        "Unknown keys, missing keys, wrong types and values out of range are refused with the name of the",
        "file and the key. Paths are relative to the folder of the file.",
    ]
    for title, path, model in FILES:
        meanings = shipped_meanings(ROOT / "config" / path)
        lines += ["", f"## {title}", "", "| Key | Type | Default | Meaning |", "| --- | --- | --- | --- |"]
        for key in keys(model):
            kind = " ".join([key.kind, key.limits]).strip()
            lines.append(f"| `{key.name}` | {kind} | {key.default} | {meanings[key.name]} |")
    return "\n".join(lines)


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[Key]:
    """Every key below a model, tables opened; the kinds of a table stand side by side."""
    for name, field in model.model_fields.items():
        inner = _models(field.annotation)
        if len(inner) > 1:
            yield from _keys_of_kinds(inner, f"{prefix}{name}.")
        elif inner:
            yield from keys(inner[0], f"{prefix}{name}.")
        else:
            yield Key(
                prefix + name, _kind(field.annotation), _default(field.default), _limits(field.metadata)
            )


def _keys_of_kinds(models: list[type[BaseModel]], prefix: str) -> Iterator[Key]:
    """The key `kind` once, then each kind's own keys, with the kind they belong to."""
    kinds = {get_args(model.model_fields["kind"].annotation)[0]: model for model in models}
    yield Key(f"{prefix}kind", " or ".join(f"`{kind}`" for kind in kinds), f'`"{next(iter(kinds))}"`', "")
    for kind, model in kinds.items():
        for key in keys(model, prefix):
            if key.name != f"{prefix}kind":
                yield replace(key, limits=f"{key.limits} for `{kind}`".strip())


def shipped_meanings(path: Path) -> dict[str, str]:
    """What the comment behind each key of a shipped file says, also behind keys that are commented out."""
    section, meanings = "", {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if opened := SECTION.match(line):
            section = f"{opened[1]}."
        elif (shown := KEY.match(line)) and shown[2]:
            meanings.setdefault(section + shown[1], shown[2].replace("|", "\\|"))
    return meanings


def _models(annotation: Any) -> list[type[BaseModel]]:
    kinds = [annotation, *get_args(annotation)]
    return [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]


def _kind(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{each}`" for each in inner)
    if origin is Annotated:
        return _kind(inner[0])
    if origin in (Union, types.UnionType):
        return " or ".join(_kind(each) for each in inner if each is not type(None))
    if origin is tuple:
        return f"list of {_kind(inner[0])}"
    return {"str": "text", "int": "whole number", "float": "number", "bool": "true or false", "date": "day"}[
        annotation.__name__
    ]


def _default(default: Any) -> str:
    if default is PydanticUndefined:
        return "required"
    if default is None:
        return "none"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple):
        return "`[]`"
    return f'`"{default}"`' if isinstance(default, str) else f"`{default}`"


def _limits(metadata: list[Any]) -> str:
    words = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    found = [
        f"{sign} {getattr(each, name):,}"
        for each in metadata
        for name, sign in words.items()
        if getattr(each, name, None) is not None
    ]
    return f"({', '.join(found)})" if found else ""
