"""What the figures rest on: centers, data quality, earlier runs, and the publication to compare with."""

from collections.abc import Sequence
from importlib.resources import files

from outcomes.comparison import compare, load_publication
from outcomes.plausibility import load_summaries
from outcomes.plots.trend import TrendLine, trend_plot
from outcomes.report import estimates, tables
from outcomes.report.facts import Published, ReportFacts
from outcomes.report.history import HEADLINES, Run, runs, whole
from outcomes.report.parts import Group, Line, Plot, Section, Table

RUNS_SHOWN = 26


def side_by_side(published: Published, facts: ReportFacts, centers: Sequence[Group]) -> Section:
    """The centers beside one another: how fresh each is, and its headline figures."""
    wanted = tuple((h.label, h.metric, FORM_OF[h.statistic]) for h in HEADLINES)
    figures = estimates.figures("Headline figures by center", wanted, published.results, centers)
    lead = (
        "Each center has its own codes, its own key and its own pseudonyms; a patient treated at two centers "
        "counts at each."
    )
    return Section("centers", "Centers side by side", lead, (figures, tables.centers(facts.centers)))


FORM_OF = {
    "count": "count",
    "proportion": "share",
    "mean_change": "change",
    "median": "median (quartiles)",
}


def quality(published: Published, centers: Sequence[Group]) -> Section:
    """What the checks found, and codes without a meaning."""
    lead = "A violated fatal check withholds the release, so none stands here; the others tell the data team."
    found = (tables.checks(published.rows["checks"]), tables.unmapped(published.rows["unmapped"], centers))
    return Section("quality", "Data quality", lead, found)


def history(published: Published) -> Section:
    """The headline figures of every run."""
    found = runs(published.rows["history"])[-RUNS_SHOWN:]
    lead = "The same figures, run by run: a jump that no news explains is worth a question."
    table = _history_table(found)
    return Section("history", "History", lead, (*_trends(found), table) if len(found) > 1 else (table,))


def _history_table(found: Sequence[Run]) -> Table:
    lines = [
        Line(
            (
                f"Run {run.run_id}",
                run.day.isoformat() if run.day else "",
                *(whole(headline, run.figures.get(headline)) for headline in HEADLINES),
            )
        )
        for run in reversed(found)
    ]
    columns = ("Run", "Day", *(headline.label for headline in HEADLINES))
    caption = f"Headline figures of the last {RUNS_SHOWN} runs, newest first"
    return Table(caption, columns, tuple(lines), text_columns=(0, 1))


def _trends(found: Sequence[Run]) -> tuple[Plot, ...]:
    shares = [headline for headline in HEADLINES if headline.statistic == "proportion"]
    lines = [
        TrendLine(h.label, tuple(run.figures[h]["value"] if h in run.figures else None for run in found))
        for h in shares
    ]
    drawing = trend_plot([f"run {run.run_id}" for run in found], lines)
    caption = "The shares among the headline figures, run by run."
    return (Plot(drawing, caption, tuple((h.metric, h.label) for h in shares)),)


def publication(published: Published) -> Section:
    """Printed figures beside computed ones."""
    compared = compare(published.results, load_publication())
    states = [row.state for row in compared]
    lead = (
        "Cazzato et al., European Radiology 2022;32:4137-4146, doi 10.1007/s00330-021-08477-6. "
        f"{len(states)} printed figures: {states.count('as printed')} as printed, "
        f"{states.count('known difference')} known differences, {states.count('different')} different."
    )
    summaries = load_summaries(files("outcomes") / "publications" / "cazzato-2022.summaries.csv")
    found = (tables.comparison(compared), tables.plausibility(summaries))
    return Section("publication", "Against the publication", lead, found)
