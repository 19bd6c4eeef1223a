"""What became of the patients: pain, local control, complications."""

from collections.abc import Sequence
from dataclasses import replace

from outcomes.curves import curve_of
from outcomes.plots.curves import CurveLine, CurveText, Point, curve_plot
from outcomes.plots.pain import MeanTime, PainTime, pain_plot, trajectory_plot
from outcomes.report import estimates, pain_tables, tables
from outcomes.report.facts import PAIN_TIMES, Published
from outcomes.report.parts import Group, Line, Plot, Section, Table
from outcomes.results import ALL
from outcomes.survival import Curve

BOXES = {
    "team": "Each dot is a patient. Box: quartiles and median; whiskers: range.",
    "shared": "Box: quartiles and median; whiskers: 10th and 90th percentile.",
}
TIMES = (("24 hours", "24h"), ("1 month", "1m"), ("Last follow-up", "last"))
RESPONSES = (
    ("At least 2 points", "points"),
    ("At least 30%", "percent"),
    ("At least 50%", "percent_high"),
)
MONTHS = (12, 24, 36)


def pain(published: Published, centers: Sequence[Group]) -> Section:
    """Pain scores over time, who responds, and who is free of pain."""
    shares = [
        ("Patients with painful metastases (95% CI)", "painful_patients", "share"),
        ("Pain-free at last follow-up (95% CI)", "pain_free_last", "share"),
    ]
    responders: list[estimates.Wanted] = []
    for time, short in TIMES:
        responders.append(time)
        responders += [(label, f"responders_{short}", f"share:{category}") for label, category in RESPONSES]
    model: list[estimates.Wanted] = []
    for source, kind in (("Mixed model", "model"), ("GEE", "gee")):
        model.append(source)
        model += [(time, "pain_trajectory", f"change:{kind}_change[{short}]") for time, short in TIMES]
    results = published.results
    return Section(
        "pain",
        "Pain",
        "Later times compare patients with a score at both times; a change below zero is less pain.",
        (
            _pain_plot(published),
            pain_tables.scores(PAIN_TIMES, results, centers),
            _trajectory(published, centers),
            pain_tables.changes(PAIN_TIMES[1:], results, centers),
            estimates.figures("Pain-free patients", shares, results, centers),
            estimates.figures("Responders: fall from baseline (95% CI)", responders, results, centers),
            estimates.figures("Change by model, points (95% CI)", model, results, centers),
        ),
    )


def _pain_plot(published: Published) -> Plot:
    return Plot(
        pain_plot(_pain_times(published), shows_patients=not published.is_shared),
        f"{BOXES[published.disclosure.audience.name]} Diamond and bar: mean with 95% confidence interval. "
        "The time of the last follow-up differs from patient to patient.",
        published.linked(*(metric for _, metric in PAIN_TIMES)),
    )


def _trajectory(published: Published, centers: Sequence[Group]) -> Plot:
    lines = [
        (group.label, [_mean_time(published, metric, group.name) for _, metric in PAIN_TIMES])
        for group in centers
    ]
    means = (published.results.get(metric, "mean") for _, metric in PAIN_TIMES)
    sizes = [mean.n if mean else None for mean in means]
    return Plot(
        trajectory_plot([label for label, _ in PAIN_TIMES], sizes, lines),
        "Mean score at each time with its 95% confidence interval, all centers together and each by itself.",
        published.linked(*(metric for _, metric in PAIN_TIMES)),
    )


def _mean_time(published: Published, metric: str, group: str) -> MeanTime:
    mean = published.results.get(metric, "mean", group)
    return MeanTime(mean.value, mean.ci_low, mean.ci_high) if mean else MeanTime(None, None, None)


def _pain_times(published: Published) -> list[PainTime]:
    times = []
    for label, name in PAIN_TIMES:
        complete = [row for row in published.rows[name] if None not in row.values()]
        if not published.disclosure.shows(ALL, len(complete)):
            complete = []
        mean = published.results.get(name, "mean")
        interval = (mean.value, mean.ci_low, mean.ci_high) if mean else (None, None, None)
        times.append(PainTime(label, tuple(float(row["value"]) for row in complete), *interval))
    return times


def control(published: Published, centers: Sequence[Group]) -> Section:
    """Local control of the lesions treated with curative intent."""
    wanted = [
        ("Lesions treated with curative intent", "curative_lesions", "count"),
        ("Controlled at last assessment (95% CI)", "local_control", "share"),
        *estimates.by_patient("local_control"),
        ("Follow-up, months: mean (SD)", "local_control_followup", "mean (SD)"),
        ("Follow-up, months: median (quartiles)", "local_control_followup", "median (quartiles)"),
    ]
    over_time: list[estimates.Wanted] = []
    for months in MONTHS:
        over_time += [
            f"{months} months",
            ("Lesions at risk", SURVIVAL, f"number:at_risk_{months}m"),
            ("Free of local progression", SURVIVAL, f"percent:survival_{months}m"),
            ("The same by patient, bootstrap", SURVIVAL, f"percent:survival_{months}m_bootstrap"),
            ("Local progression, death competing", PROGRESSION, f"percent:incidence_{months}m"),
            ("Local progression, deaths censored", PROGRESSION, f"percent:incidence_naive_{months}m"),
        ]
    results = published.results
    return Section(
        "control",
        "Local control",
        "Only assessments linked to the lesion count; an assessment of the whole disease does not.",
        (
            *_survival_plot(published, SURVIVAL, LESION_TEXT),
            *_center_plot(published, SURVIVAL, LESION_TEXT, centers),
            estimates.figures("Lesions treated with curative intent", wanted, results, centers),
            *_incidence_plot(published),
            estimates.figures("Over time, by lesion (95% CI)", over_time, results, centers),
        ),
    )


def survival(published: Published, centers: Sequence[Group]) -> Section:
    """How long patients lived."""
    wanted: list[estimates.Wanted] = []
    for months in MONTHS:
        wanted += [
            f"{months} months",
            ("Patients at risk", "overall_survival", f"number:at_risk_{months}m"),
            ("Alive", "overall_survival", f"percent:survival_{months}m"),
        ]
    wanted += [
        "All times",
        ("Median survival, months", "overall_survival", "number:median"),
        ("Log-rank test between the centers, p", "overall_survival", "p:p_logrank"),
    ]
    text = CurveText(
        name="survival",
        title="Overall survival",
        y_label="Alive (%)",
        x_label="Months since the index treatment",
        at_risk_label="Patients at risk",
        horizons=MONTHS,
    )
    lead = "From the index treatment to death from any cause; who was last seen alive is counted until then."
    table = estimates.figures("Overall survival (95% CI)", wanted, published.results, centers)
    plots = (
        *_survival_plot(published, "overall_survival", text),
        *_center_plot(published, "overall_survival", text, centers),
    )
    return Section("survival", "Survival", lead, (*plots, table))


SURVIVAL, PROGRESSION = "local_control_survival", "local_progression"
LESION_TEXT = CurveText(
    name="control",
    title="Time to local progression",
    y_label="Free of local progression (%)",
    x_label="Months since the lesion's first treatment",
    at_risk_label="Lesions at risk",
    horizons=MONTHS,
)


def _survival_plot(published: Published, metric: str, text: CurveText) -> tuple[Plot, ...]:
    """The figure, or nothing where the audience may see no curve."""
    lines = [curve_line("All centers", curve_of(rows)) for rows in published.curve(metric, "survival")]
    if not lines:
        return ()
    figure = Plot(
        curve_plot(lines, text, shows_patients=not published.is_shared),
        "Kaplan-Meier estimate with 95% confidence band (log-log, Greenwood); tick marks: last looks.",
        published.linked(metric),
    )
    return (figure,)


def _center_plot(
    published: Published, metric: str, text: CurveText, centers: Sequence[Group]
) -> tuple[Plot, ...]:
    """The centers' curves in one figure, for the team alone: with that of all, two give the third away."""
    lines = [
        curve_line(group.label, curve_of(rows))
        for group in centers[1:]
        for rows in published.curve(metric, "survival", group.name)
    ]
    if published.is_shared or len(lines) < 2:
        return ()
    told = replace(text, name=f"{text.name}-centers", title=f"{text.title} by center")
    figure = Plot(
        curve_plot(lines, told, shows_patients=True),
        "The same by center: Kaplan-Meier estimates with 95% confidence bands; tick marks: last looks.",
        published.linked(metric),
    )
    return (figure,)


def _incidence_plot(published: Published) -> tuple[Plot, ...]:
    text = CurveText(
        name="incidence",
        title="Local progression with death competing",
        y_label="Cumulative incidence (%)",
        x_label="Months since the lesion's first treatment",
        at_risk_label="Lesions at risk",
        horizons=MONTHS,
    )
    causes = (("Local progression", "incidence"), ("Death without it", "incidence_competing"))
    lines = [
        curve_line(label, curve_of(rows))
        for label, name in causes
        for rows in published.curve(PROGRESSION, name)
    ]
    if not lines:
        return ()
    figure = Plot(
        curve_plot(lines, text, shows_patients=False),
        "Aalen-Johansen estimates with 95% confidence bands: who dies can have no later progression.",
        published.linked(PROGRESSION),
    )
    return (figure,)


def curve_line(label: str, curve: Curve) -> CurveLine:
    """A curve as it is drawn."""
    points = tuple(Point(p.months, p.estimate, p.low, p.high, p.at_risk, p.censored) for p in curve.points)
    return CurveLine(label, points)


def safety(published: Published, centers: Sequence[Group]) -> Section:
    """Complications by scale and class."""
    wanted = (
        ("Complications", "complications", "count"),
        ("Per lesion (95% CI)", "complications_per_lesion", "share"),
        *estimates.by_patient("complications_per_lesion"),
        ("Per session (95% CI)", "complications_per_session", "share"),
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
            estimates.figures("How often", wanted, published.results, centers),
            _grades(published),
            *([] if published.is_shared else _events(published, centers)),
        ),
    )


def _events(published: Published, centers: Sequence[Group]) -> tuple[Table, Table]:
    """Every event, counted and listed: for the team alone, since hardly a cell of them is not small."""
    rows = published.rows
    return tables.complications(rows["complications"], centers), tables.listing(rows["listing"], centers)


def _grades(published: Published) -> Table:
    """Each scale and grade in all centers, of lesions, of sessions and of patients."""
    units = ("lesion", "session", "patient")
    metrics = [f"complications_by_grade_per_{unit}" for unit in units]
    found = dict.fromkeys(
        r.statistic for r in published.results if r.metric in metrics and "[" in r.statistic
    )
    lines = []
    for statistic in found:
        grade = statistic[len("proportion[") : -1]
        cells = (estimates.formed(f"share:{grade}", published.results, metric, "all") for metric in metrics)
        lines.append(Line((grade, *cells)))
    columns = ("Scale and grade", *(f"Per {unit} (95% CI)" for unit in units))
    caption = "By scale and grade, all centers"
    return Table(caption, columns, tuple(lines), origins=published.linked(*metrics))
