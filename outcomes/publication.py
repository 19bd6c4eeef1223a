"""A publication: the figures it prints, as it prints them, and which of them describe the same numbers.

One TOML file each in `config/publications/`. A printed figure is a text, because its decimals are part of it.
What follows from the figures (does 9 of 105 print as 8.5 %? are there 64 scores with that mean and SD?) is
found by outcomes/plausibility.py and never written down.
"""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mappings.errors import ConfigError

Printed = Annotated[str, Field(pattern=r"^(-?\d+(\.\d+)?|\d{4}-\d{2})$")]
Name = Annotated[str, Field(min_length=1)]
Statistic = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\[.+\])?$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class PrintedFigure(_Strict):
    """One printed figure, and which of ours it is; `share_of` names the figures whose percentage it is."""

    figure: Name
    metric: Name
    statistic: Statistic
    group: Name = "all"
    relation: Literal["=", "<"] = "="
    printed: Printed
    share_of: Annotated[tuple[str, str] | None, Field(strict=False)] = None

    @property
    def digits(self) -> int:
        """How many decimals are printed."""
        return len(self.printed.partition(".")[2])


class PrintedScores(_Strict):
    """Whole-number scores that the figures of one metric summarize; `n` and `zeros` name printed figures."""

    summary: Name
    metric: Name
    n: Name
    zeros: str | None = None


class Publication(_Strict):
    """One publication; figures and summaries in the order of the file."""

    citation: Name
    doi: Name
    figure: Annotated[tuple[PrintedFigure, ...], Field(min_length=1, strict=False)]
    summary: Annotated[tuple[PrintedScores, ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _names_what_it_prints(self) -> Self:
        names = [figure.figure for figure in self.figure]
        if len(set(names)) < len(names):
            raise ValueError("figure: every figure needs a name of its own")
        unknown = sorted(set(self._named()) - set(names))
        if unknown:
            raise ValueError(f"no figure is called {', '.join(unknown)}")
        incomplete = [s.summary for s in self.summary if not self._statistics(s.metric) >= _SUMMARY]
        if incomplete:
            raise ValueError(f"summary: {incomplete[0]} needs the figures {', '.join(sorted(_SUMMARY))}")
        return self

    def named(self, name: str) -> PrintedFigure:
        """The figure of this name."""
        return next(figure for figure in self.figure if figure.figure == name)

    def of_metric(self, metric: str, statistic: str) -> PrintedFigure:
        """The figure that prints this statistic of a metric over all centers."""
        return next(f for f in self.figure if (f.metric, f.statistic, f.group) == (metric, statistic, "all"))

    def _named(self) -> Iterator[str]:
        for figure in self.figure:
            yield from figure.share_of or ()
        for summary in self.summary:
            yield summary.n
            if summary.zeros is not None:
                yield summary.zeros

    def _statistics(self, metric: str) -> set[str]:
        return {f.statistic for f in self.figure if f.metric == metric and f.group == "all"}


_SUMMARY = {"mean", "sd", "min", "max"}


def load_publications(folder: Path) -> list[Publication]:
    """Every publication of a folder, by name of its file; none when there is no such folder."""
    return [load_publication(path) for path in sorted(folder.glob("*.toml"))]


def load_publication(path: Path) -> Publication:
    """One publication; raises ConfigError, naming file and key, for a file that breaks the form."""
    try:
        return Publication.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(
            f"{path}: the file cannot be read ({error.strerror}).", "name a file of config/publications."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}.", "mend the line named.") from None
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, each['loc'])) or 'the file'}: {each['msg'].removeprefix('Value error, ')}"
            for each in error.errors(include_input=False, include_url=False)
        ]
        raise ConfigError(
            "\n".join(f"{path}: {problem}." for problem in problems),
            "mend the keys named; the shipped publication shows every key with its meaning.",
        ) from None
