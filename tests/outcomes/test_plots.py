import xml.etree.ElementTree as ET

import pytest
from outcomes_testbed import curative, scores

from outcomes.plots import PainTime, pain_plot, survival_plot
from outcomes.survival import kaplan_meier

TIMES = (
    PainTime("Baseline", tuple(scores("nprs_baseline")), 6.8125, 6.26, 7.37),
    PainTime("24 <hours>", tuple(scores("nprs_24h")), 4.09375, 3.49, 4.69),
    PainTime("1 month", (), None, None, None),
    PainTime("Last", (3.0,), 3.0, None, None),
)


def texts(svg: str) -> list[str]:
    return [text for element in ET.fromstring(svg).iter("text") if (text := element.text)]  # noqa: S314


def test_pain_plot_shows_times_and_numbers_and_names_itself() -> None:
    svg = pain_plot(TIMES)
    shown = " ".join(texts(svg))
    assert "Baseline" in shown
    assert "24 <hours>" in shown
    assert [shown.count(f"n = {n}") for n in (64, 0, 1)] == [2, 1, 1]
    root = ET.fromstring(svg)  # noqa: S314
    assert root.get("role") == "img"
    title = root.find("title")
    description = root.find("desc")
    assert title is not None
    assert description is not None
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    assert "Baseline: mean 6.8 of 64" in (description.text or "")


def test_survival_plot_shows_the_numbers_at_risk() -> None:
    svg = survival_plot(kaplan_meier(*curative()), (12, 24))
    shown = texts(svg)
    assert "Lesions at risk" in shown
    start = shown.index("Lesions at risk") + 1
    assert shown[start : start + 6] == ["28", "17", "10", "7", "5", "2"]
    assert "91 percent at 12 months" in svg


@pytest.mark.parametrize("rows", [[], [(3.0, True)], [(0.0, False)], [(400.0, False)]])
def test_any_curve_can_be_drawn(rows: list[tuple[float, bool]]) -> None:
    svg = survival_plot(kaplan_meier([d for d, _ in rows], [e for _, e in rows]), (12,))
    assert ET.fromstring(svg).tag == "svg"  # noqa: S314


def test_drawings_are_reproducible_and_their_ids_do_not_meet() -> None:
    pain, control = pain_plot(TIMES), survival_plot(kaplan_meier(*curative()), (12,))
    assert pain == pain_plot(TIMES)
    assert control == survival_plot(kaplan_meier(*curative()), (12,))
    found = [{e.get("id") for e in ET.fromstring(svg).iter() if e.get("id")} for svg in (pain, control)]  # noqa: S314
    assert not found[0] & found[1]
    assert not [word for word in ("http", "<metadata", "<style", "<!--") if word in pain + control]
