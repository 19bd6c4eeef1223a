"""What the report says, section by section, in the order of the page."""

from collections.abc import Sequence

from outcomes.report import appendix, clinical, estimates, missing, provenance, study
from outcomes.report.facts import Published, ReportFacts
from outcomes.report.origins import metric_anchor
from outcomes.report.parts import Group, Plot, Section, Table


def sections(published: Published, facts: ReportFacts, centers: Sequence[Group]) -> list[Section]:
    """Every section of the report, in the order of the page."""
    found = [
        study.flow(published, centers),
        study.patients(published, centers),
        study.lesions(published, centers),
        clinical.pain(published, centers),
        clinical.control(published, centers),
        clinical.survival(published, centers),
        clinical.safety(published, centers),
        missing.section(published, centers),
        provenance.side_by_side(published, facts, centers),
    ]
    return [
        *found,
        *further(published, found, centers),
        provenance.quality(published, centers),
        *([] if published.is_shared else [provenance.history(published)]),
        *provenance.publications(published, facts),
        *appendix.sections(published, facts, centers),
    ]


def further(published: Published, found: Sequence[Section], centers: Sequence[Group]) -> list[Section]:
    """The metrics that no section shows: one added to the study has its place here by itself."""
    placed = {anchor for section in found for part in section.parts for anchor in _anchors(part)}
    rest = [
        metric
        for name, metric in published.metrics.items()
        if metric_anchor(name) not in placed and not (published.is_shared and metric.audience == "team")
    ]
    if not rest:
        return []
    table = estimates.everything(rest, published.results, centers, caption="Further figures")
    return [Section("further", "Further results", "Figures that have no section of their own.", (table,))]


def _anchors(part: object) -> list[str]:
    match part:
        case Table():
            return [*(line.anchor for line in part.lines), *(origin.anchor for origin in part.origins)]
        case Plot():
            return [origin.anchor for origin in part.origins]
    return []
