"""What the figures rest on: centers, data quality, earlier runs, and the publication to compare with."""

from collections.abc import Sequence

from outcomes.comparison import compare
from outcomes.plausibility import summaries
from outcomes.plots.trend import TrendLine, trend_plot
from outcomes.publication import Publication
from outcomes.report import estimates, tables
from outcomes.report.characteristics import categories
from outcomes.report.estimates import is_hidden
from outcomes.report.facts import Published, ReportFacts
from outcomes.report.history import HEADLINES, Run, runs, whole
from outcomes.report.origins import Origin, query_origin
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
    if estimates.contrast_group(published.results):
        first, second = centers[1].label, centers[2].label
        lead += f" A difference is {first} minus {second}, of shares in percentage points (pp)."
    stratified = _stratified(published, centers)
    return Section(
        "centers", "Centers side by side", lead, (figures, *stratified, tables.centers(facts.centers))
    )


def _stratified(published: Published, centers: Sequence[Group]) -> tuple[Table, ...]:
    """The centers compared among like patients and lesions; nothing where there are no two centers."""
    if estimates.contrast_group(published.results) is None or published.is_shared:
        return ()
    wanted: list[estimates.Wanted] = []
    for metric in published.metrics.values():
        if metric.contrast == "stratified":
            wanted.append(metric.title)
            wanted += [
                (stratum, metric.metric, f"share:{stratum}")
                for stratum in categories(published.results, metric)
            ]
            wanted.append(("All strata (Mantel-Haenszel)", metric.metric, "stratified"))
    return (
        estimates.figures("Among like patients and lesions (95% CI)", wanted, published.results, centers),
    )


FORM_OF = {
    "count": "count",
    "proportion": "share",
    "mean_change": "change",
    "median": "median (quartiles)",
}


def quality(published: Published, centers: Sequence[Group]) -> Section:
    """What the checks found, and codes without a meaning."""
    lead = "A violated fatal check withholds the release, so none stands here; the others tell the data team."
    found = (
        tables.checks(published.rows["checks"], shows_counts=not published.is_shared),
        tables.unmapped(published.rows["unmapped"], centers, published.shown),
    )
    return Section("quality", "Data quality", lead, found)


def history(published: Published) -> Section:
    """The headline figures of every run."""
    found = runs(published.rows["history"])[-RUNS_SHOWN:]
    lead = "The same figures, run by run: a jump that no news explains is worth a question."
    origins = (*published.linked(*(headline.metric for headline in HEADLINES)), query_origin("history"))
    table = _history_table(found, origins)
    trends = _trends(found, origins) if len(found) > 1 else ()
    return Section("history", "History", lead, (*trends, table))


def _history_table(found: Sequence[Run], origins: tuple[Origin, ...]) -> Table:
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
    return Table(caption, columns, tuple(lines), text_columns=(0, 1), origins=origins)


def _trends(found: Sequence[Run], origins: tuple[Origin, ...]) -> tuple[Plot, ...]:
    shares = [headline for headline in HEADLINES if headline.statistic == "proportion"]
    lines = [
        TrendLine(h.label, tuple(run.figures[h]["value"] if h in run.figures else None for run in found))
        for h in shares
    ]
    drawing = trend_plot([f"run {run.run_id}" for run in found], lines)
    caption = "The shares among the headline figures, run by run."
    return (Plot(drawing, caption, origins),)


def publications(published: Published, facts: ReportFacts) -> list[Section]:
    """For each publication: printed figures beside ours, and whether the printed ones can hold together."""
    return [_publication(published, printed, number) for number, printed in enumerate(facts.publications)]


def _computed(statistic: str) -> str:
    return "proportion" if statistic == "numerator" else statistic


def _publication(published: Published, printed: Publication, number: int) -> Section:
    # Whether a figure that may not be shown agrees with a printed one would tell it.
    compared = [
        row
        for row in compare(published.results, printed)
        if not is_hidden(published.results.get(row.metric, _computed(row.statistic), row.group))
    ]
    states = [row.state for row in compared]
    lead = (
        f"{printed.citation}, doi {printed.doi}. "
        f"{len(states)} printed figures: {states.count('as printed')} as printed, "
        f"{states.count('known difference')} known differences, {states.count('different')} different."
    )
    found = [tables.comparison(compared)]
    if printed.summary:
        found.append(tables.plausibility(summaries(printed)))
    anchor = f"publication-{number + 1}" if number else "publication"
    return Section(anchor, "Against the publication", lead, tuple(found))
