"""The command line, as the app itself tells it: its commands, their help, whether a line is understood."""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer.main
from typer.testing import CliRunner

from service.cli import app

PLAIN = {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
FENCE = re.compile(r"(?ms)^ *```[^\n]*\n(.*?)^ *```")
INLINE = re.compile(r"`(cryocohort [^`\n]+)`")
LINE = re.compile(r"(?m)^ *(?:\$ )?(cryocohort(?: .*)?)$")
# What a shell does with the output, and what it reads from a file, is no business of the command.
SHELL = re.compile(r" (?:[|<>]|2>|&&|;).*$")


@dataclass(frozen=True, slots=True)
class Told:
    """The arguments of a command line in a page: a line of a block, or a part of running text."""

    arguments: tuple[str, ...]
    is_line: bool

    def __str__(self) -> str:
        return " ".join(("cryocohort", *self.arguments))


def command_line() -> str:
    """What `--help` says of each command."""
    parts = ["# Command line", ""]
    for names in command_names():
        shown = CliRunner().invoke(app, [*names, "--help"], env=PLAIN, prog_name="cryocohort")
        text = "\n".join(line.rstrip() for line in shown.stdout.strip().splitlines())
        parts += [f"## cryocohort {' '.join(names)}".rstrip(), "", "```", text, "```", ""]
    return "\n".join(parts)


def command_names() -> list[tuple[str, ...]]:
    """The words of every command and group of the app, itself (no word) first."""
    return list(_names(typer.main.get_command(app), ()))


def _names(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    yield words
    for name, inner in getattr(command, "commands", {}).items():
        yield from _names(inner, (*words, name))


def parse(arguments: Sequence[str]) -> tuple[str, ...]:
    """The words of the command that the app would run for `arguments`; raises what the app would raise."""
    command: Any = typer.main.get_command(app)
    words: tuple[str, ...] = ()
    rest = list(arguments)
    while True:
        if rest == [] and hasattr(command, "commands"):  # a group by its name alone shows its help
            return words
        context = command.make_context("cryocohort", rest)
        if not hasattr(command, "commands"):
            return words
        # What is left for the subcommand stands in two lists; only one of them has a public name.
        left = [*context._protected_args, *context.args]  # noqa: SLF001
        name, command, rest = command.resolve_command(context, left)
        words = (*words, name)


def understood(told: Told) -> tuple[str, ...]:
    """As `parse`; in running text the name of a command alone stands for the command."""
    # Options that act as soon as they are read (the version, completion) are looked up, not parsed.
    if len(told.arguments) == 1 and told.arguments[0] in {*_root_options(), "-h", "--help"}:
        return told.arguments
    if not told.is_line and told.arguments in command_names():
        return told.arguments
    return parse(told.arguments)


def _root_options() -> set[str]:
    command: Any = typer.main.get_command(app)
    return {name for param in command.params for name in param.opts}


def told_commands(document: Path) -> list[Told]:
    """Every `cryocohort ...` that a Markdown page tells, in blocks and in running text."""
    text = document.read_text(encoding="utf-8")
    blocks = [block.replace("\\\n", " ") for block in FENCE.findall(text)]
    lines = [Told(_arguments(line), is_line=True) for block in blocks for line in LINE.findall(block)]
    return lines + [Told(_arguments(line), is_line=False) for line in INLINE.findall(FENCE.sub("", text))]


def _arguments(line: str) -> tuple[str, ...]:
    return tuple(shlex.split(SHELL.sub("", line), comments=True)[1:])
