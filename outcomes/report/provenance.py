"""What the figures rest on: data quality, the publication they are compared with, definitions."""

from collections.abc import Sequence
from importlib.resources import files

from outcomes.comparison import compare, load_publication
from outcomes.plausibility import load_summaries
from outcomes.report import tables
from outcomes.report.facts import Published
from outcomes.report.parts import Group, Section


def quality(published: Published, centers: Sequence[Group]) -> Section:
    """What the checks found, and codes without a meaning."""
    lead = "A violated fatal check withholds the release, so none stands here; the others tell the data team."
    found = (tables.checks(published.rows["checks"]), tables.unmapped(published.rows["unmapped"], centers))
    return Section("quality", "Data quality", lead, found)


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
