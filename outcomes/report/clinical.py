"""What became of the patients: pain, local control, complications."""

from collections.abc import Sequence

from outcomes.plots.curves import CurveLine, CurveText, Point, curve_plot
from outcomes.plots.pain import MeanTime, PainTime, pain_plot, trajectory_plot
from outcomes.report import estimates, tables
from outcomes.report.facts import PAIN_TIMES, Published
from outcomes.report.parts import Group, Plot, Section
from outcomes.survival import Curve, kaplan_meier


def pain(published: Published, centers: Sequence[Group]) -> Section:
    """Pain scores over time, and who is free of pain."""
    shares = (
        ("Patients with painful metastases, share (95% CI)", "painful_patients", "share"),
        ("Pain-free at last follow-up, share (95% CI)", "pain_free_last", "share"),
    )
    return Section(
        "pain",
        "Pain",
        "Later times compare patients with a score at both times; a change below zero is less pain.",
        (
            _pain_plot(published),
            estimates.pain(PAIN_TIMES, published.results, centers),
            _trajectory(published, centers),
            estimates.figures("Painful and pain-free patients", shares, published.results, centers),
        ),
    )


def _pain_plot(published: Published) -> Plot:
    return Plot(
        pain_plot(_pain_times(published), shows_patients=True),
        "Each dot is a patient. Box: quartiles and median; whiskers: range; diamond and bar: mean with 95% "
        "confidence interval. The time of the last follow-up differs from patient to patient.",
        published.linked(*(metric for _, metric in PAIN_TIMES)),
    )


def _trajectory(published: Published, centers: Sequence[Group]) -> Plot:
    lines = [
        (group.label, [_mean_time(published, metric, group.name) for _, metric in PAIN_TIMES])
        for group in centers
    ]
    return Plot(
        trajectory_plot([label for label, _ in PAIN_TIMES], lines),
        "Mean score at each time with its 95% confidence interval, all centers together and each by itself.",
        published.linked(*(metric for _, metric in PAIN_TIMES)),
    )


def _mean_time(published: Published, metric: str, group: str) -> MeanTime:
    mean = published.results.get(metric, "mean", group)
    return MeanTime(mean.value, mean.ci_low, mean.ci_high, mean.n) if mean else MeanTime(None, None, None, 0)


def _pain_times(published: Published) -> list[PainTime]:
    times = []
    for label, name in PAIN_TIMES:
        complete = [row for row in published.rows[name] if None not in row.values()]
        mean = published.results.get(name, "mean")
        interval = (mean.value, mean.ci_low, mean.ci_high) if mean else (None, None, None)
        times.append(PainTime(label, tuple(float(row["value"]) for row in complete), *interval))
    return times


def control(published: Published, centers: Sequence[Group]) -> Section:
    """Local control of the lesions treated with curative intent."""
    metric = published.metrics["local_control_survival"]
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
            _control_plot(published),
            estimates.figures("Lesions treated with curative intent", wanted, published.results, centers),
            estimates.control_over_time(metric, published.results, centers),
        ),
    )


def _control_plot(published: Published) -> Plot:
    metric = published.metrics["local_control_survival"]
    rows = [row for row in published.rows[metric.metric] if None not in row.values()]
    curve = kaplan_meier([float(r["duration_months"]) for r in rows], [bool(r["is_event"]) for r in rows])
    text = CurveText(
        name="control",
        title="Time to local progression",
        y_label="Free of local progression (%)",
        x_label="Months since the lesion's first treatment",
        at_risk_label="Lesions at risk",
        horizons=metric.horizons_months,
    )
    return Plot(
        curve_plot([curve_line("All centers", curve)], text, shows_patients=True),
        "Kaplan-Meier estimate with 95% confidence band (log-log, Greenwood); tick marks: last assessments.",
        published.linked(metric.metric),
    )


def curve_line(label: str, curve: Curve) -> CurveLine:
    """A curve as it is drawn."""
    points = tuple(Point(p.months, p.estimate, p.low, p.high, p.at_risk, p.censored) for p in curve.points)
    return CurveLine(label, points)


def safety(published: Published, centers: Sequence[Group]) -> Section:
    """Complications by scale and class."""
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
            estimates.figures("Complications", wanted, published.results, centers),
            tables.complications(published.rows["complications"], centers),
        ),
    )
