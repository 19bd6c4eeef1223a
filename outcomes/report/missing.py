"""What is missing and what difference it could make: scores expected and present, sensitivity analyses."""

from collections.abc import Sequence

from outcomes.report import estimates
from outcomes.report.facts import Published
from outcomes.report.origins import metric_anchor
from outcomes.report.parts import Group, Line, Section, Table
from outcomes.results import ALL
from outcomes.rounding import NOT_ASSESSABLE

TIMES = (("Baseline", "baseline"), ("24 hours", "24h"), ("1 month", "1m"), ("Last follow-up", "last"))
ASSUMPTIONS = (
    ("Both scores present", ""),
    ("Missing as at baseline", "_worst_case"),
    ("Last score carried forward", "_carried_forward"),
    ("Until a repeat session", "_until_repeat"),
)


def section(published: Published, centers: Sequence[Group]) -> Section:
    """Missing scores with their reasons, and the main figures under other assumptions."""
    lead = (
        "How many scores were due and present at each time and why others are not; and the main figures when "
        "missing scores are taken for the worst or for the last one known. Nothing is filled in after death."
    )
    found = (_scores(published), _sensitivity(published, centers))
    return Section("missing", "Missing data and sensitivity", lead, found)


def _scores(published: Published) -> Table:
    lines = [
        _line(published, label, "pain_scores_expected", state)
        for label, state in (
            ("Expected", "expected"),
            ("Due: alive and in contact", "due"),
            ("Present", "present"),
        )
    ]
    names = dict.fromkeys(
        result.statistic[len("count[") : -1].partition(": ")[2]
        for result in published.results
        if result.metric == "pain_scores_missing" and result.statistic.startswith("count[")
    )
    lines += [
        _line(published, f"missing: {why}", "pain_scores_missing", why, tone="excluded") for why in names
    ]
    shares = (
        estimates.formed(f"share:{time}", published.results, "pain_scores_present", ALL) for _, time in TIMES
    )
    lines.insert(
        3, Line(("Present of those due (95% CI)", *shares), anchor=metric_anchor("pain_scores_present"))
    )
    columns = ("", *(label for label, _ in TIMES))
    return Table("Pain scores of painful patients, all centers", columns, tuple(lines))


def _line(published: Published, label: str, metric: str, category: str, *, tone: str = "kept") -> Line:
    wanted = (f"number:count[{time}: {category}]" for _, time in TIMES)
    cells = (estimates.formed(form, published.results, metric, ALL) or NOT_ASSESSABLE for form in wanted)
    return Line((label, *cells), tone=tone, anchor=metric_anchor(metric))


def _sensitivity(published: Published, centers: Sequence[Group]) -> Table:
    figures = (
        ("Change in pain at 24 hours", "nprs_24h", "change"),
        ("Change in pain at 1 month", "nprs_1m", "change"),
        ("Change in pain at last follow-up", "nprs_last", "change"),
        ("Pain-free at last follow-up", "pain_free_last", "share"),
    )
    wanted: list[estimates.Wanted] = []
    for label, metric, form in figures:
        wanted.append(label)
        wanted += [
            (assumption, f"{metric}{suffix}", form)
            for assumption, suffix in ASSUMPTIONS
            if f"{metric}{suffix}" in published.metrics
        ]
    for months in (12, 24):
        wanted += [
            f"Free of local progression at {months} months",
            ("All follow-up", "local_control_survival", f"percent:survival_{months}m"),
            ("Until a retreatment", "local_control_until_retreatment", f"percent:survival_{months}m"),
        ]
    caption = "The same figures under other assumptions (95% CI)"
    return estimates.figures(caption, wanted, published.results, centers)
