"""The events that are logged: names and fields from the code, meanings from the registry of the logger."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from service.log import EVENTS
from service.scheduler import EVENTS as SCHEDULED

ROOT = Path(__file__).parents[2]
LEVELS = frozenset({"debug", "info", "warning", "error"})
# What every line has; `run_id` and `kind` are bound for the time of a run.
COMMON = ("timestamp", "level", "event")


@dataclass(frozen=True, slots=True)
class LogCall:
    """One place that logs: the event, its level and the fields named there (with those bound before)."""

    event: str
    level: str
    fields: tuple[str, ...]


def log_events() -> str:
    """One row an event."""
    lines = [
        "# Log events",
        "",
        "Logs go to standard error, one line an event: JSON from `serve` (unless it is on a terminal) and",
        "after `--log-json`, plain text otherwise. `--quiet` logs warnings and errors only, `--verbose` all.",
        f"Each line has {', '.join(f'`{name}`' for name in COMMON)}. No event holds content, ids of",
        "patients or resources, addresses that were asked, or secrets.",
        "",
        "| Event | Level | Fields | Meaning |",
        "| --- | --- | --- | --- |",
    ]
    calls = {call.event: call for call in logged()}
    for event, meaning in EVENTS.items():
        call = calls[event]
        fields = ", ".join(f"`{name}`" for name in call.fields)
        lines.append(f"| `{event}` | {call.level} | {fields} | {meaning} |")
    return "\n".join(lines)


def logged() -> Iterator[LogCall]:
    """Every place in the service that logs an event by a name that stands there, and the scheduler's."""
    for event in SCHEDULED.values():
        yield LogCall(event, "error", ("step",))
    for path in sorted((ROOT / "service").glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        bound = _bound(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                yield from _call(node, node.func, bound)


def _call(node: ast.Call, told: ast.Attribute, bound: dict[int, tuple[str, ...]]) -> Iterator[LogCall]:
    is_logger = "log" in ast.unparse(told.value)
    if told.attr in LEVELS and is_logger and node.args and isinstance(node.args[0], ast.Constant):
        fields = (*bound.get(node.lineno, ()), *(each.arg for each in node.keywords if each.arg))
        yield LogCall(str(node.args[0].value), told.attr, fields)


def _bound(tree: ast.Module) -> dict[int, tuple[str, ...]]:
    """By line, the fields that the function around it binds to its logger."""
    found: dict[int, tuple[str, ...]] = {}
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            binds = [
                node
                for node in ast.walk(function)
                if isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "bind"
            ]
            fields = tuple(each.arg for node in binds for each in node.keywords if each.arg)
            found |= dict.fromkeys(range(function.lineno, (function.end_lineno or 0) + 1), fields)
    return found
