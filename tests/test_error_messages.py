"""What every failure says is read in the source: each has a next step, and none passes a foreign text on.

That no message quotes content, ids or secrets at run time is tested by canaries (test_canary.py,
test_exit_codes.py); here each place is looked at where it stands, whether a test reaches it or not.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from docs.making.failures import error_classes

ROOT = Path(__file__).parents[1]
PACKAGES = ("mappings", "warehouse", "ingest", "outcomes", "service")
NAMES = {kind.__name__ for kind in error_classes()}
# Our messages, what the operating system says of files, the class of an exception, DuckDB's text as far as it
# speaks of no values, and the name that Spark gives an error.
FIXED = {"message", "next_step", "strerror", "type", "database_error", "condition"}
# The text of another library's exception may quote what it failed on. These were looked at: ours (decode.py,
# manifest.py, stream.py raise fixed texts), and parsers of files that an operator or we have written.
REVIEWED = {
    "ingest/client.py": 1,
    "ingest/bulk.py": 1,
    "ingest/bulk_files.py": 1,
    "ingest/bulk_http.py": 1,
    "ingest/resource_types.py": 1,
    "mappings/csvfile.py": 1,
    "mappings/viewdef.py": 1,
    "outcomes/publication.py": 1,
    "service/configuration.py": 1,
    "service/wall_clock.py": 1,
    "warehouse/mart.py": 2,  # of a reader's own query on the release
    "warehouse/sqlfile.py": 2,
}


@dataclass(frozen=True)
class Failure:
    """One place that makes an error of the tree."""

    place: str
    arguments: tuple[ast.expr, ...]


def modules() -> Iterator[tuple[str, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))


def failures() -> Iterator[Failure]:
    """Calls of the tree's classes, and of the client's `failure`, which makes a ServerError."""
    for module, tree in modules():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            is_class = isinstance(node.func, ast.Name) and node.func.id in NAMES
            if is_class or (isinstance(node.func, ast.Attribute) and node.func.attr == "failure"):
                yield Failure(f"{module}:{node.lineno}", tuple(node.args))


def last_text(told: ast.expr) -> str | None:
    """How a text that stands there ends; None when it is made elsewhere."""
    match told:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=[*_, ast.Constant(value=str(text))]):
            return text
        case ast.JoinedStr():
            return "."  # ends in a value
        case ast.BinOp(right=right):
            return last_text(right)
    return None


@pytest.mark.parametrize("failure", list(failures()), ids=lambda failure: failure.place)
def test_each_failure_has_a_message_and_a_next_step_that_are_sentences(failure: Failure) -> None:
    if len(failure.arguments) == 1:  # both were made together: raise SignInError(*refusal)
        assert isinstance(failure.arguments[0], ast.Starred)
        return
    message, next_step = failure.arguments
    for told in (message, next_step):
        text = last_text(told)
        assert text is None or text.rstrip().endswith((".", ". ", ": ")), ast.unparse(told)


def test_there_are_failures_to_look_at() -> None:
    assert len(list(failures())) > 200


def quoted(handler: ast.ExceptHandler) -> Iterator[ast.FormattedValue]:
    """Where a handler puts its exception into a text, but for its class and what `FIXED` names."""
    for told in ast.walk(handler):
        if isinstance(told, ast.FormattedValue):
            harmless = {id(inner) for node in ast.walk(told) if is_fixed(node) for inner in ast.walk(node)}
            names = [node for node in ast.walk(told) if isinstance(node, ast.Name)]
            if any(node.id == handler.name and id(node) not in harmless for node in names):
                yield told


def is_fixed(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in FIXED
    return isinstance(node, ast.Call) and ast.unparse(node.func) in FIXED


def test_no_failure_passes_on_the_text_of_a_foreign_exception_that_nobody_has_looked_at() -> None:
    found: Counter[str] = Counter()
    for module, tree in modules():
        for handler in ast.walk(tree):
            if isinstance(handler, ast.ExceptHandler) and handler.name:
                found[module] += len(list(quoted(handler)))
    assert +found == REVIEWED
