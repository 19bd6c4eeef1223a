"""What the report says, section by section, in the order of the page."""

from collections.abc import Sequence

from outcomes.report import appendix, clinical, estimates, provenance, study
from outcomes.report.facts import Published
from outcomes.report.parts import Group, Section
from outcomes.results import Results


def tiles(results: Results) -> list[tuple[str, str]]:
    """The headline figures, as (figure, label)."""
    count = estimates.FORMS["count"]
    return [
        (count(results, "patients", "all"), "patients"),
        (count(results, "lesions", "all"), "lesions treated"),
        (estimates.share(results, "pain_free_last"), "pain-free at last follow-up"),
        (estimates.share(results, "local_control"), "lesions under local control"),
        (estimates.share(results, "complications_major"), "major complications per lesion"),
    ]


def sections(published: Published, centers: Sequence[Group]) -> list[Section]:
    """Every section of the report, in the order of the page."""
    return [
        study.flow(published, centers),
        study.patients(published, centers),
        study.lesions(published, centers),
        clinical.pain(published, centers),
        clinical.control(published, centers),
        clinical.safety(published, centers),
        provenance.quality(published, centers),
        provenance.publication(published),
        appendix.definitions(published),
    ]
