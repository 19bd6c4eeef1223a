"""A metric: one SQL file whose header says what it means and whose body gives the rows to count.

Adding a metric is adding a file. The header names a kind of statistic, the kind fixes the columns the
body must give and which estimates come out (outcomes/estimators.py):

    kind        columns after center_id                    a row is
    count       counted                                    a number to add up
    tally       category, counted                          a number to add up by category
    proportion  numerator, denominator                     a unit, or a number of units, to add up
    shares      category, numerator, denominator           the same, by category
    categories  category                                   a unit that is of one category
    summary     value                                      a unit
    extremes    value                                      a unit; only the ends of the range are reported
    paired      value, baseline                            a unit with a later and an earlier value
    survival    duration_months, is_event                  a unit followed to the event or the last look
    competing   duration_months, outcome                   the same; 1 the event, 2 what competes, 0 neither
    trajectory  patient_key, time_order, time_point, score one score of a patient at one time

`cluster = "patient"` adds the column patient_key at the end, and intervals that know that units share a
patient. `contrast` adds, for each two centers, a difference with its interval and test, or for describing
tables a standardized difference. A row with a NULL in one of these columns is missing: it is left out and
counted. Statistics of a category are named like proportion[lung].

A change of what a file computes is a new version: a test keeps a digest of each version.
"""

from collections.abc import Iterable, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mappings.errors import SqlFileError
from warehouse.sqlfile import read_header

Kind = Literal[
    "count", "tally", "proportion", "shares", "categories", "summary", "extremes", "paired", "survival",
    "competing", "trajectory", "stratified",
]  # fmt: skip
Contrast = Literal["difference", "stratified", "smd"]

COLUMNS: Mapping[Kind, tuple[str, ...]] = {
    "count": ("counted",),
    "tally": ("category", "counted"),
    "proportion": ("numerator", "denominator"),
    "shares": ("category", "numerator", "denominator"),
    "categories": ("category",),
    "summary": ("value",),
    "extremes": ("value",),
    "paired": ("value", "baseline"),
    "survival": ("duration_months", "is_event"),
    "competing": ("duration_months", "outcome"),
    "trajectory": ("patient_key", "time_order", "time_point", "score"),
    "stratified": ("value", "baseline"),
}
OVER_TIME: tuple[Kind, ...] = ("survival", "competing")
CLUSTERED: tuple[Kind, ...] = ("proportion", "survival", "competing")
CONTRASTED: Mapping[Contrast, tuple[Kind, ...]] = {
    "difference": ("proportion", "shares", "summary", "paired", "survival"),
    "stratified": ("shares",),
    "smd": ("proportion", "categories", "summary"),
}


class Metric(BaseModel):
    """One metric: the header of its file, and the SELECT statement that gives its rows."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    metric: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    version: int = Field(ge=1)
    title: str = Field(min_length=1)
    cohort: str = Field(pattern=r"^(core|outcomes)\.[a-z_]+$")
    grain: str = Field(min_length=1)
    statistic: Kind
    unit: str = Field(min_length=1)
    needs: tuple[str, ...] = Field(min_length=1)
    groups: tuple[Literal["all", "center"], ...] = Field(min_length=1)
    cluster: Literal["patient"] | None = None
    interval: Literal["exact"] | None = None
    contrast: Contrast | None = None
    family: str | None = None
    horizons_months: tuple[int, ...] = ()
    rules: tuple[str, ...] = ()
    part_of: str | None = None
    order: Literal["size", "name", "spine"] = "size"
    audience: Literal["all", "team"] = "all"
    reference: str = Field(min_length=1)
    definition: str = Field(min_length=1)
    sql: str = Field(min_length=1)

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        if bool(self.horizons_months) != (self.statistic in OVER_TIME):
            raise ValueError("horizons_months: belongs to the statistics over time, and only there")
        if self.family is not None and self.statistic != "paired":
            raise ValueError("family: only paired metrics have tests to correct")
        if self.cluster is not None and self.statistic not in CLUSTERED:
            raise ValueError(f"cluster: not for the statistic {self.statistic}")
        if self.interval is not None and self.statistic not in ("proportion", "shares"):
            raise ValueError("interval: only shares have a choice")
        if self.order != "size" and self.statistic not in ("categories", "shares"):
            raise ValueError("order: only categories have one")
        if self.contrast is not None and self.statistic not in CONTRASTED[self.contrast]:
            raise ValueError(f"contrast: {self.contrast} is not for the statistic {self.statistic}")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the body must give, in this order."""
        own = COLUMNS[self.statistic]
        return ("center_id", *own, "patient_key") if self.cluster else ("center_id", *own)

    def applied(self, rules: Mapping[str, Any]) -> str:
        """The study rules the metric uses, with the values applied; `rules` is the row of core.rule."""
        unknown = [name for name in self.rules if name not in rules]
        if unknown:
            raise SqlFileError(
                f"metrics/{self.metric}.sql: rules: {', '.join(unknown)} is no rule of the study.",
                "Name columns of core.rule.",
            )
        return "; ".join(f"{name} = {rules[name]}" for name in self.rules)


def load_metrics(folder: Traversable | None = None) -> list[Metric]:
    """Every metric of `folder` (default: the shipped ones), by name.

    Raises SqlFileError, naming file and field, for a header that breaks its contract.
    """
    return [read_metric(path) for path in sql_files(folder or files("outcomes") / "metrics")]


def part_metrics(metrics: Iterable[Metric]) -> dict[str, str]:
    """Each metric that counts a part of the events of another, with that other."""
    return {metric.metric: metric.part_of for metric in metrics if metric.part_of is not None}


def team_metrics(metrics: Iterable[Metric]) -> frozenset[str]:
    """The metrics that never leave the study team: their counts are small in any cohort."""
    return frozenset(metric.metric for metric in metrics if metric.audience == "team")


def sql_files(folder: Traversable) -> list[Traversable]:
    """The `.sql` files of a folder, by name."""
    paths = (path for path in folder.iterdir() if path.name.endswith(".sql"))
    return sorted(paths, key=lambda path: path.name)


def read_metric(path: Traversable) -> Metric:
    """One metric file; its name must be the metric's."""
    header, body = read_header(path)
    metric = _validated(path, {**header, "sql": body})
    if path.name != f"{metric.metric}.sql":
        raise _error(path, [f"metric: '{metric.metric}' is not the name of the file"])
    return metric


def check_columns(metric: Metric, columns: Iterable[str]) -> None:
    """Raise SqlFileError when the body gives other columns than its kind of statistic asks for."""
    expected, found = metric.columns, tuple(columns)
    if found != expected:
        raise SqlFileError(
            f"metrics/{metric.metric}.sql gives the columns {', '.join(found)}.",
            f"A {metric.statistic} metric selects {', '.join(expected)}, in this order.",
        )


def _validated(path: Traversable, fields: Mapping[str, Any]) -> Metric:
    try:
        return Metric.model_validate(fields)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}".lstrip(": ") for e in error.errors()]
        raise _error(path, problems) from None


def _error(path: Traversable, problems: Iterable[str]) -> SqlFileError:
    return SqlFileError(
        f"The header of {path.name} is wrong: {'; '.join(problems)}.",
        "Correct these header fields; outcomes/metric.py lists them all.",
    )
