"""What a metric gives: estimates, the rows of `outcomes.metric_result`, and looking one up."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

ALL = "all"


def center_group(center_id: str) -> str:
    """The name of one center's group: `center=<id>`."""
    return f"center={center_id}"


def center_pair(first: str, second: str) -> str:
    """The name of the group of a first center minus a second: `centers=<first>,<second>`."""
    return f"centers={first},{second}"


def category_statistic(statistic: str, category: str) -> str:
    """The name of a statistic of one category: `proportion[lung]`."""
    return f"{statistic}[{category}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One statistic of one group of rows.

    `value` is None where the rows cannot support it, and `note` then begins `not assessable:`.
    Shares lie between 0 and 1; `n` is the number of rows used; intervals are 95 %; `method` names how
    the value, or its interval where it has one, was made.
    """

    statistic: str
    value: float | None
    n: int | None
    ci_low: float | None = None
    ci_high: float | None = None
    numerator: int | None = None
    denominator: int | None = None
    method: str = ""
    note: str = ""

    def renamed(self, statistic: str) -> "Estimate":
        """The same under another name."""
        return replace(self, statistic=statistic)


def not_assessable(statistic: str, reason: str, *, n: int) -> Estimate:
    """An estimate without a value, saying why."""
    return Estimate(statistic=statistic, value=None, n=n, note=f"not assessable: {reason}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a figure or a curve is of: the run, the metric in its version, the group, the rules applied."""

    run_id: int
    metric: str
    version: int
    group: str
    rules: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricResult:
    """One row of `outcomes.metric_result`; fields as in that table."""

    run_id: int
    metric: str
    version: int | None
    group: str
    statistic: str
    value: float | None
    ci_low: float | None
    ci_high: float | None
    n: int | None
    numerator: int | None
    denominator: int | None
    method: str
    note: str
    rules: str | None

    @classmethod
    def of(cls, source: Source, estimate: Estimate) -> Self:
        """The result row of one estimate."""
        return cls(**_values(source), **_values(estimate))

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """A result read back from the table."""
        return cls(**{name: row[name] for name in cls.__slots__})

    def as_row(self) -> dict[str, Any]:
        """The row to insert, by column."""
        return _values(self)


def _values(of: Source | Estimate | MetricResult) -> dict[str, Any]:
    """The fields by name; `asdict` would copy every value of a thousand rows deeply."""
    return {field.name: getattr(of, field.name) for field in fields(of)}


class Results:
    """The results of one run, found by metric, statistic and group."""

    def __init__(self, results: Iterable[MetricResult]) -> None:
        self._by_key = {(r.metric, r.statistic, r.group): r for r in results}

    def __iter__(self) -> Iterator[MetricResult]:
        return iter(self._by_key.values())

    def get(self, metric: str, statistic: str, group: str = ALL) -> MetricResult | None:
        """The result, or None when that run did not compute it."""
        return self._by_key.get((metric, statistic, group))
