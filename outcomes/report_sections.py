"""What the report says, section by section: leads, and which figures stand where."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from outcomes import report_figures as figures
from outcomes import report_tables as tables
from outcomes.comparison import compare, load_publication
from outcomes.metric import Metric
from outcomes.plausibility import load_summaries
from outcomes.plots import PainTime, pain_plot, survival_plot
from outcomes.report_tables import Group, Table
from outcomes.results import Results
from outcomes.survival import kaplan_meier

PAIN_TIMES = (
    ("Baseline", "nprs_baseline"),
    ("24 hours", "nprs_24h"),
    ("1 month", "nprs_1m"),
    ("Last follow-up", "nprs_last"),
)


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page; `plot` is SVG markup made by outcomes/plots.py."""

    anchor: str
    title: str
    lead: str
    tables: tuple[Table, ...]
    plot: str = ""
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Published:
    """Everything read from the mart."""

    results: Results
    metrics: Mapping[str, Metric]
    rows: Mapping[str, Sequence[Mapping[str, Any]]]
    run_id: int


def tiles(results: Results) -> list[tuple[str, str]]:
    """The headline figures, as (figure, label)."""
    count = figures.FORMS["count"]
    return [
        (count(results, "patients", "all"), "patients"),
        (count(results, "lesions", "all"), "lesions treated"),
        (figures.share(results, "pain_free_last"), "pain-free at last follow-up"),
        (figures.share(results, "local_control"), "lesions under local control"),
        (figures.share(results, "complications_major"), "major complications per lesion"),
    ]


def sections(published: Published, centers: Sequence[Group]) -> list[Section]:
    """Every section of the report, in the order of the page."""
    return [
        _flow_section(published, centers),
        _patient_section(published, centers),
        _lesion_section(published, centers),
        _pain_section(published, centers),
        _control_section(published, centers),
        _safety_section(published, centers),
        _quality_section(published, centers),
        _publication_section(published),
        _definition_section(published),
    ]


def _flow_section(published: Published, centers: Sequence[Group]) -> Section:
    lead = (
        "Every resource that was looked at is either kept or excluded for a stated reason (STROBE item 13)."
    )
    return Section("flow", "Flow of the study", lead, (tables.flow(published.rows["flow"], centers),))


def _patient_section(published: Published, centers: Sequence[Group]) -> Section:
    wanted = (
        ("Age at index, years: median (quartiles)", "age", "median (quartiles)"),
        ("Age at index, years: mean (SD)", "age", "mean (SD)"),
        ("Follow-up, months: median (quartiles)", "followup", "median (quartiles)"),
        ("Follow-up, months: mean (SD)", "followup", "mean (SD)"),
        ("Follow-up of pain, months: mean (SD)", "pain_followup", "mean (SD)"),
        ("Follow-up of pain, months: median (quartiles)", "pain_followup", "median (quartiles)"),
        ("Calendar months of treatment", "treatment_months", "months"),
    )
    characteristics = tables.categories(
        "Table 1. Patients", published.rows["patients"], centers, "Patients, n"
    )
    measures = figures.figures("Age and follow-up", wanted, published.results, centers)
    lead = "Shares are of the patients of that column. No tests: these are descriptions of one cohort."
    return Section("patients", "Patients", lead, (characteristics, measures))


def _lesion_section(published: Published, centers: Sequence[Group]) -> Section:
    lead = "A lesion is one patient and one set of vertebral levels; a later session there is a retreatment."
    table = tables.categories("Table 2. Lesions", published.rows["lesions"], centers, "Lesions, n")
    return Section("lesions", "Lesions", lead, (table,))


def _pain_section(published: Published, centers: Sequence[Group]) -> Section:
    shares = (
        ("Patients with painful metastases, share (95% CI)", "painful_patients", "share"),
        ("Pain-free at last follow-up, share (95% CI)", "pain_free_last", "share"),
    )
    return Section(
        "pain",
        "Pain",
        "Later times compare patients with a score at both times; a change below zero is less pain.",
        (
            figures.pain(PAIN_TIMES, published.results, centers),
            figures.figures("Painful and pain-free patients", shares, published.results, centers),
        ),
        pain_plot(_pain_times(published)),
        "Box: quartiles and median; whiskers: range; diamond and bar: mean with 95% confidence interval. "
        "The time of the last follow-up differs from patient to patient.",
    )


def _pain_times(published: Published) -> list[PainTime]:
    times = []
    for label, name in PAIN_TIMES:
        complete = [row for row in published.rows[name] if None not in row.values()]
        mean = published.results.get(name, "mean")
        interval = (mean.value, mean.ci_low, mean.ci_high) if mean else (None, None, None)
        times.append(PainTime(label, tuple(float(row["value"]) for row in complete), *interval))
    return times


def _control_section(published: Published, centers: Sequence[Group]) -> Section:
    metric = published.metrics["local_control_survival"]
    rows = [row for row in published.rows[metric.metric] if None not in row.values()]
    curve = kaplan_meier([float(r["duration_months"]) for r in rows], [bool(r["is_event"]) for r in rows])
    wanted = (
        ("Lesions treated with curative intent", "curative_lesions", "count"),
        ("Patients with such lesions", "patients_with_curative_lesions", "count"),
        ("Controlled at last assessment, share (95% CI)", "local_control", "share"),
        ("Follow-up, months: mean (SD)", "local_control_followup", "mean (SD)"),
        ("Follow-up, months: median (quartiles)", "local_control_followup", "median (quartiles)"),
    )
    return Section(
        "control",
        "Local control",
        "Only assessments linked to the lesion count; an assessment of the whole disease does not.",
        (
            figures.figures("Lesions treated with curative intent", wanted, published.results, centers),
            figures.control_over_time(metric, published.results, centers),
        ),
        survival_plot(curve, metric.horizons_months),
        "Kaplan-Meier estimate with 95% confidence band (log-log, Greenwood); tick marks: last assessments.",
    )


def _safety_section(published: Published, centers: Sequence[Group]) -> Section:
    wanted = (
        ("Complications", "complications", "count"),
        ("Per lesion (95% CI)", "complications_per_lesion", "share"),
        ("Major, per lesion (95% CI)", "complications_major", "share"),
        ("Minor, per lesion (95% CI)", "complications_minor", "share"),
        ("Patients with a complication (95% CI)", "patients_with_complication", "share"),
    )
    return Section(
        "safety",
        "Complications",
        "Scales are never mixed: SIR and CIRSE lead over CTCAE, CTCAE over the severity of the report. "
        "By convention SIR A and B, CIRSE 1 and 2, CTCAE 1 and 2, and mild and moderate are minor.",
        (
            figures.figures("Complications", wanted, published.results, centers),
            tables.complications(published.rows["complications"], centers),
        ),
    )


def _quality_section(published: Published, centers: Sequence[Group]) -> Section:
    lead = "A violated fatal check withholds the release, so none stands here; the others tell the data team."
    found = (tables.checks(published.rows["checks"]), tables.unmapped(published.rows["unmapped"], centers))
    return Section("quality", "Data quality", lead, found)


def _publication_section(published: Published) -> Section:
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


def _definition_section(published: Published) -> Section:
    rules = [tables.rules(row) for row in published.rows["rules"]]
    found = (tables.definitions(published.metrics.values()), *rules)
    return Section("definitions", "Definitions and rules", "What every figure above means.", found)
