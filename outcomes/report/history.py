"""The headline figures of every run: how each is shown, what moved since the last run, and how it went."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from outcomes.rounding import NOT_ASSESSABLE, percent, show, show_interval, show_share

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Headline:
    """A figure of the summary: which statistic of which metric, and in what unit it is told."""

    label: str
    metric: str
    statistic: str
    unit: str = ""


HEADLINES = (
    Headline("Patients", "patients", "count"),
    Headline("Lesions treated", "lesions", "count"),
    Headline("Change in pain at last follow-up", "nprs_last", "mean_change", "points"),
    Headline("Pain-free at last follow-up", "pain_free_last", "proportion"),
    Headline("Lesions under local control", "local_control", "proportion"),
    Headline("Complications per lesion", "complications_per_lesion", "proportion"),
    Headline("Major complications per lesion", "complications_major", "proportion"),
    Headline("Follow-up, median", "followup", "median", "months"),
)


@dataclass(frozen=True, slots=True)
class Run:
    """The headline figures of one run, by headline; the day is None where the release does not tell it."""

    run_id: int
    day: dt.date | None
    figures: Mapping[Headline, Row]


def runs(rows: Sequence[Row]) -> list[Run]:
    """Every run, in order, from the rows of tables/history.sql."""
    wanted = {(headline.metric, headline.statistic): headline for headline in HEADLINES}
    found: dict[int, dict[Headline, Row]] = {}
    days: dict[int, dt.date | None] = {}
    for row in rows:
        headline = wanted.get((row["metric"], row["statistic"]))
        if headline:
            found.setdefault(row["run_id"], {})[headline] = row
            days[row["run_id"]] = row["started_at"].date() if row["started_at"] else None
    return [Run(run_id, days[run_id], found[run_id]) for run_id in sorted(found)]


def value(headline: Headline, row: Row | None) -> str:
    """The figure by itself, as large type: `74`, `53.1%`, `-4.45`."""
    if row is None or row["value"] is None:
        return NOT_ASSESSABLE
    match headline.statistic:
        case "count":
            return show(row["value"], 0)
        case "proportion":
            return f"{percent(row['numerator'], row['denominator'])}%"
        case "mean_change":
            return show(row["value"], 2)
    return show(row["value"])


def detail(headline: Headline, row: Row | None) -> str:
    """What belongs below the figure: its fraction or unit, and its interval."""
    if row is None or row["value"] is None:
        return "not assessable"
    parts = []
    if headline.statistic == "proportion":
        parts.append(f"{row['numerator']} of {row['denominator']}")
    elif headline.unit:
        parts.append(headline.unit)
    if row["ci_low"] is not None:
        is_share = headline.statistic == "proportion"
        interval = show_interval(row["ci_low"], row["ci_high"], 1 if is_share else 2, 100 if is_share else 1)
        parts.append(f"95% CI {interval}")
    return ", ".join(parts)


def whole(headline: Headline, row: Row | None) -> str:
    """The figure in one cell: a share with both its numbers."""
    if row is None or row["value"] is None:
        return NOT_ASSESSABLE
    if headline.statistic == "proportion":
        return show_share(row["numerator"], row["denominator"])
    return value(headline, row)


def has_moved(headline: Headline, before: Run, now: Run) -> bool:
    """Whether the figure, as it is shown, differs between two runs."""
    return whole(headline, before.figures.get(headline)) != whole(headline, now.figures.get(headline))
