"""The page at a glance: the headline figures, and what is new since the last run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from outcomes.report.estimates import is_hidden
from outcomes.report.facts import HIDDEN, Published, ReportFacts
from outcomes.report.history import HEADLINES, Headline, Run, detail, has_moved, runs, value, whole
from outcomes.results import ALL


@dataclass(frozen=True, slots=True)
class Tile:
    """One headline figure: its value in large type, what belongs to it, and how it moved."""

    label: str
    metric: str
    value: str
    detail: str
    change: str
    has_moved: bool


@dataclass(frozen=True, slots=True)
class News:
    """One sentence on what is new; `needs_attention` marks what somebody has to look at."""

    text: str
    anchor: str = ""
    needs_attention: bool = False


def tiles(published: Published) -> list[Tile]:
    """The headline figures of the published run, each beside that of the run before."""
    found = runs(published.rows["history"])
    # Differences between runs are differences of a patient or two: for the team alone.
    before = found[-2] if len(found) > 1 and not published.is_shared else None
    now = found[-1]
    return [_tile(headline, before, now, published) for headline in HEADLINES if headline in now.figures]


def news(published: Published, facts: ReportFacts) -> list[News]:
    """What is new since the last run: centers that were not read, figures that moved, checks that failed."""
    first = [_hidden(published)] if published.is_shared else _moved(runs(published.rows["history"]))
    return [*_centers(facts), *first, *_checks(published)]


def _hidden(published: Published) -> News:
    """How much of the figures is shown, and why the rest is not."""
    of_all = [not is_hidden(result) for result in published.results if result.group == ALL]
    of_one = [not is_hidden(result) for result in published.results if result.group != ALL]
    largest = published.disclosure.audience.threshold - 1
    return News(
        f"Shown are {sum(of_all)} of {len(of_all)} figures of all centers and {sum(of_one)} of {len(of_one)} "
        f"of one center or between two. A count of 1 to {largest} is hidden, and with it each count from "
        "which it could be worked out: in a small cohort that is most of what a center counts. Categories, "
        "grades and reasons of exclusion are never told by center.",
        "figures",
    )


def _tile(headline: Headline, before: Run | None, now: Run, published: Published) -> Tile:
    if is_hidden(published.results.get(headline.metric, headline.statistic)):
        return Tile(headline.label, headline.metric, HIDDEN, "not shown: a small count", "", has_moved=False)
    row = now.figures.get(headline)
    moved = before is not None and has_moved(headline, before, now)
    return Tile(
        headline.label,
        headline.metric,
        value(headline, row),
        detail(headline, row),
        f"was {whole(headline, before.figures.get(headline))}" if before and moved else "",
        moved,
    )


def _centers(facts: ReportFacts) -> Iterator[News]:
    for center in facts.centers:
        if not center.is_complete:
            text = f"{center.name}: the newest sync was incomplete; its figures may be older than the others."
            yield News(text, "centers", needs_attention=True)


def _moved(found: Sequence[Run]) -> Iterator[News]:
    if len(found) < 2:
        yield News("This is the first run: from the next one on, what has moved stands here.", "history")
        return
    before, now = found[-2], found[-1]
    since = f"since run {before.run_id}" + (f" of {before.day.isoformat()}" if before.day else "")
    moved = [headline for headline in HEADLINES if has_moved(headline, before, now)]
    if not moved:
        yield News(f"No headline figure has moved {since}.", "history")
    for headline in moved:
        was, is_now = (whole(headline, run.figures.get(headline)) for run in (before, now))
        yield News(f"{headline.label}: {is_now}, was {was} {since}.", "history")


def _checks(published: Published) -> Iterator[News]:
    checks = published.rows["checks"]
    violated = [row for row in checks if row["status"] != "passed"]
    if checks:
        passed = f"{len(checks) - len(violated)} of {len(checks)} quality checks passed"
        names = ", ".join(row["check_name"].replace("_", " ") for row in violated)
        yield News(f"{passed}; to look at: {names}." if violated else f"{passed}.", "quality")
