"""Documents do not go stale: what they say of commands, keys, tables and checks is compared."""

import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from docs.generate import REFERENCE, pages
from docs.making.command_line import Told, command_names, parse, told_commands, understood
from docs.making.configuration_keys import FILES, keys, shipped_meanings
from docs.making.failures import error_classes
from docs.making.tables import described_columns
from mappings import errors
from outcomes.metric import load_metrics
from service.settings import CenterFile, SettingsFile

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
# What people wrote: the pages made from the product cannot explain what nobody explained.
WRITTEN = [
    path.relative_to(ROOT)
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
    if REFERENCE not in path.parents and path.name != "CHANGELOG.md"
]
COMMAND_LINES = [(document, told) for document in WRITTEN for told in told_commands(ROOT / document)]


@pytest.mark.parametrize("page", sorted(pages()))
def test_each_reference_page_is_what_the_product_says(page: str) -> None:
    assert (REFERENCE / page).read_text(encoding="utf-8") == pages()[page], "run `make docs`"


def test_there_is_a_page_for_each_check_and_none_besides() -> None:
    written = {str(path.relative_to(REFERENCE)) for path in REFERENCE.glob("checks/*.md")}
    checks = (ROOT / "warehouse" / "checks").glob("*.sql")
    assert written == {f"checks/{path.stem}.md" for path in checks}


@pytest.mark.parametrize("words", command_names()[1:], ids=" ".join)
def test_every_command_is_explained_by_the_readme_or_a_page(words: tuple[str, ...]) -> None:
    told = {told.arguments[: len(words)] for _, told in COMMAND_LINES}
    assert words in told, f"no page but the reference tells `cryocohort {' '.join(words)}`"


@pytest.mark.parametrize(("document", "told"), COMMAND_LINES, ids=[f"{d}: {t}" for d, t in COMMAND_LINES])
def test_every_documented_command_line_is_understood(document: Path, told: Told) -> None:
    assert understood(told)


def test_a_command_line_that_the_app_does_not_know_is_noticed() -> None:
    with pytest.raises(Exception, match="--no-such-option"):
        parse(["sync", "--no-such-option"])
    with pytest.raises(Exception, match="sink"):
        parse(["sink"])


def test_the_exit_codes_are_told_by_the_readme_and_by_their_page() -> None:
    codes = {kind.exit_code for kind in error_classes()} | {0, 1, 2}
    told = README[README.index("Exit codes") :].split("\n\n")[0]
    assert all(re.search(rf"\b{code} ", told) for code in codes)
    page = (REFERENCE / "exit-codes.md").read_text(encoding="utf-8")
    assert {int(code) for code in re.findall(r"(?m)^\| (\d+) \|", page)} == codes
    assert all(f"`{kind.__name__}`" in page for kind in error_classes())


@pytest.mark.parametrize(("title", "path", "model"), FILES)
def test_every_configuration_key_has_its_meaning(title: str, path: str, model: type[BaseModel]) -> None:
    known = {key.name for key in keys(model)}
    meanings = shipped_meanings(ROOT / "config" / path)
    assert known == set(meanings), "a key without a comment, or a comment without a key"
    page = (REFERENCE / "configuration.md").read_text(encoding="utf-8")
    assert all(f"| `{key}` |" in page for key in known)


def test_every_metric_check_table_and_column_has_its_place() -> None:
    read = {page: (REFERENCE / page).read_text(encoding="utf-8") for page in pages()}
    assert all(f"## {metric.metric}\n" in read["metrics.md"] for metric in load_metrics())
    names = [path.stem for path in (ROOT / "warehouse" / "checks").glob("*.sql")]
    assert all(f"[{name}](checks/{name}.md)" in read["checks.md"] for name in names)
    for table, columns in described_columns().items():
        section = read["ledger.md"].split(f"\n## {table}\n")[1].split("\n## ")[0]
        assert all(meaning and f"| `{column}` | {meaning}" in section for column, meaning in columns.items())


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
