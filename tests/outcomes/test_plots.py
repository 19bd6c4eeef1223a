import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from outcomes_testbed import curative, scores

from outcomes.plots.canvas import Drawing
from outcomes.plots.curves import CurveLine, CurveText, curve_plot, ticks
from outcomes.plots.pain import PainTime, pain_plot
from outcomes.report.clinical import curve_line
from outcomes.survival import kaplan_meier

TIMES = (
    PainTime("Baseline", tuple(scores("nprs_baseline")), 6.8125, 6.26, 7.37),
    PainTime("24 <hours>", tuple(scores("nprs_24h")), 4.09375, 3.49, 4.69),
    PainTime("1 month", (), None, None, None),
    PainTime("Last", (3.0,), 3.0, None, None),
)


TEXT = CurveText(
    name="control",
    title="Time to local progression",
    y_label="Free of local progression (%)",
    x_label="Months",
    at_risk_label="Lesions at risk",
    horizons=(12, 24),
)


def texts(svg: str) -> list[str]:
    return [text for element in ET.fromstring(svg).iter("text") if (text := element.text)]  # noqa: S314


def control(durations: list[float], is_event: list[bool]) -> CurveLine:
    return curve_line("All", kaplan_meier(durations, is_event))


def drawn(*lines: CurveLine, shows_patients: bool = True) -> Drawing:
    return curve_plot(lines, TEXT, shows_patients=shows_patients)


@pytest.mark.parametrize("width", ["wide", "narrow"])
def test_pain_plot_shows_times_and_numbers_and_names_itself(width: str) -> None:
    svg = getattr(pain_plot(TIMES, shows_patients=True), width)
    shown = " ".join(texts(svg))
    assert "Baseline" in shown
    assert "<hours>" in shown
    assert [shown.count(f"n = {n}") for n in (64, 0, 1)] == [2, 1, 1]
    root = ET.fromstring(svg)  # noqa: S314
    assert root.get("role") == "img"
    title = root.find("title")
    description = root.find("desc")
    assert title is not None
    assert description is not None
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    assert "Baseline: mean 6.8 of 64" in (description.text or "")


def test_dots_of_patients_are_drawn_for_the_team_alone() -> None:
    team = pain_plot(TIMES, shows_patients=True).wide
    shared = pain_plot(TIMES, shows_patients=False).wide
    assert team.count("<use") - shared.count("<use") == sum(len(time.scores) for time in TIMES)


def test_whiskers_of_a_shared_plot_do_not_end_at_the_extreme_patients() -> None:
    one_high = PainTime("Baseline", (*[2.0] * 40, 9.0), 2.2, 2.0, 2.4)
    other = PainTime("Baseline", (*[2.0] * 40, 3.0), 2.2, 2.0, 2.4)
    assert pain_plot([one_high], shows_patients=False) == pain_plot([other], shows_patients=False)
    assert pain_plot([one_high], shows_patients=True) != pain_plot([other], shows_patients=True)


def test_curve_shows_the_numbers_at_risk() -> None:
    svg = drawn(control(*curative())).wide
    shown = texts(svg)
    assert "Lesions at risk" in shown
    start = shown.index("Lesions at risk") + 1
    assert shown[start : start + 6] == ["28", "17", "10", "7", "5", "2"]
    assert "91 percent at 12 months" in svg


def test_a_curve_without_numbers_at_risk_is_drawn_without_them() -> None:
    whole = control(*curative())
    silent = CurveLine("All", tuple(replace(p, at_risk=None, censored=None) for p in whole.points[:4]))
    assert "Lesions at risk" not in drawn(silent, shows_patients=False).wide
    assert "Lesions at risk" in drawn(whole).wide


@pytest.mark.parametrize("rows", [[], [(3.0, True)], [(0.0, False)], [(400.0, False)]])
def test_any_curve_can_be_drawn(rows: list[tuple[float, bool]]) -> None:
    drawing = drawn(control([d for d, _ in rows], [e for _, e in rows]))
    assert {ET.fromstring(svg).tag for svg in (drawing.wide, drawing.narrow)} == {"svg"}  # noqa: S314


@pytest.mark.parametrize(("end", "is_narrow"), [(0.0, True), (12.0, True), (75.0, False), (400.0, True)])
def test_months_are_labelled_by_whole_years_and_stay_apart(end: float, is_narrow: bool) -> None:
    months = ticks(end, is_narrow=is_narrow)
    assert months[0] == 0
    assert all(month % 12 == 0 for month in months)
    assert len(months) <= (5 if is_narrow else 8)


def test_drawings_are_reproducible_and_their_ids_do_not_meet() -> None:
    pain, curve = pain_plot(TIMES, shows_patients=True), drawn(control(*curative()))
    assert pain == pain_plot(TIMES, shows_patients=True)
    assert curve == drawn(control(*curative()))
    svgs = [pain.wide, pain.narrow, curve.wide, curve.narrow]
    found = [[e.get("id") for e in ET.fromstring(svg).iter() if e.get("id")] for svg in svgs]  # noqa: S314
    ids = [each for one in found for each in one]
    assert len(ids) == len(set(ids))
    assert not [word for word in ("http", "<metadata", "<style", "<!--") if word in "".join(svgs)]


def test_every_color_of_a_drawing_follows_the_theme_of_the_page() -> None:
    drawing = drawn(control(*curative()), control(*curative()))
    assert not re.findall(r"(?:fill|stroke): ?#(?!000000)[0-9a-f]{6}", drawing.wide + drawing.narrow)
    assert "var(--plot-1)" in drawing.wide
    assert "var(--plot-2)" in drawing.wide
