"""Documents do not go stale: what they say of commands, keys, tables and checks is compared."""

import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from docs.generate import COMMANDS, GROUPS, REFERENCE, pages
from mappings import errors
from service.cli import app
from service.settings import CenterFile, SettingsFile

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", sorted(pages()))
def test_each_reference_page_is_what_the_product_says(page: str) -> None:
    assert (REFERENCE / page).read_text(encoding="utf-8") == pages()[page], "run `make docs`"


def test_the_readme_names_every_command() -> None:
    registered = {command.callback.__name__ for command in app.registered_commands if command.callback}
    assert registered == set(COMMANDS)
    assert all(f"`cryocohort {command}" in README for command in COMMANDS)


def test_the_reference_has_every_command_of_every_group() -> None:
    registered = {group.name: group.typer_instance for group in app.registered_groups}
    assert set(registered) == set(GROUPS)
    for group, commands in GROUPS.items():
        known = registered[group].registered_commands if registered[group] else []
        names = {command.name or command.callback.__name__ for command in known if command.callback}
        assert names == set(commands)


def test_the_readme_names_every_exit_code() -> None:
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    codes = {value.exit_code for value in classes if issubclass(value, errors.CryocohortError)}
    told = README[README.index("Exit codes") :].split("\n\n")[0]
    assert all(re.search(rf"\b{code} ", told) for code in codes | {0, 2})


def test_the_readme_gives_the_commands_that_make_knows() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"(?m)^make (\w+)", README):
        assert re.search(rf"(?m)^{target}:", makefile), target


@pytest.mark.parametrize(
    "document", [path.relative_to(ROOT) for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]], ids=str
)
def test_every_link_inside_the_repository_resolves(document: Path) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (ROOT / document.parent / link).exists(), link


@pytest.mark.parametrize(
    ("file", "model"),
    [
        ("cryocohort.toml", SettingsFile),
        ("centers/a/center.toml", CenterFile),
        ("centers/b/center.toml", CenterFile),
    ],
)
def test_the_shipped_configuration_shows_every_key(file: str, model: type[BaseModel]) -> None:
    shown = tomllib.loads((ROOT / "config" / file).read_text(encoding="utf-8"))
    assert _keys(shown) >= _required(model)


def _keys(table: dict[str, object], prefix: str = "") -> set[str]:
    keys = {prefix + key for key in table}
    for key, value in table.items():
        keys |= _keys(value, f"{prefix}{key}.") if isinstance(value, dict) else set()
    return keys


def _required(model: type[BaseModel], prefix: str = "") -> set[str]:
    keys = set()
    for name, field in model.model_fields.items():
        keys.add(prefix + name)
        inner = [kind for kind in (field.annotation, *get_args(field.annotation)) if isinstance(kind, type)]
        # Of a choice (kinds of authentication) the shipped file shows the first, its comment the others.
        for kind in [kind for kind in inner if issubclass(kind, BaseModel)][:1]:
            keys |= _required(kind, f"{prefix}{name}.")
    return keys


def test_the_error_tree_drawn_in_the_docstring_is_the_tree() -> None:
    drawn = re.findall(r"(\w+Error)\s+(\d+)", errors.__doc__ or "")
    classes = {name: value for name, value in vars(errors).items() if isinstance(value, type)}
    assert {name: int(code) for name, code in drawn} == {
        name: kind.exit_code for name, kind in classes.items()
    }
