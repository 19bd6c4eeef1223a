from dataclasses import replace
from pathlib import Path

from outcomes.comparison import compare
from outcomes.publication import load_publication
from outcomes.results import Results

PUBLICATION = load_publication(Path("config/publications/cazzato-2022.toml"))


def test_the_cohort_gives_every_printed_figure_but_two_that_the_check_explains(results: Results) -> None:
    found = compare(results, PUBLICATION)
    assert len(found) == 46
    assert [c for c in found if c.state == "different"] == []
    known = {c.figure: (c.printed, c.computed, c.difference) for c in found if c.state == "known difference"}
    assert known == {
        "Complications per lesion (%)": ("8.5", "8.6", "+0.1"),
        "NPRS at last follow-up, SD": ("2.5", "2.6", "+0.1"),
    }
    assert all(c.reason for c in found if c.state == "known difference")
    assert not any(c.reason or c.difference for c in found if c.state == "as printed")


def test_a_known_difference_excuses_no_other_value(results: Results) -> None:
    changed = [
        replace(r, numerator=12) if r.metric == "complications_per_lesion" and r.group == "all" else r
        for r in results
    ]
    states = {c.figure: c.state for c in compare(changed, PUBLICATION)}
    assert states["Complications per lesion (%)"] == "different"


def test_an_sd_that_the_other_figures_forbid_is_different(results: Results) -> None:
    changed = [
        replace(r, value=4.5) if (r.metric, r.statistic, r.group) == ("nprs_last", "sd", "all") else r
        for r in results
    ]
    states = {c.figure: c.state for c in compare(changed, PUBLICATION)}
    assert states["NPRS at last follow-up, SD"] == "different"


def test_a_figure_nobody_computed_is_different() -> None:
    assert {c.state for c in compare([], PUBLICATION)} == {"different"}


def test_a_p_value_at_its_bound_is_not_below_it(results: Results) -> None:
    changed = [replace(r, value=0.0001) if r.statistic == "p_wilcoxon" else r for r in results]
    states = [c.state for c in compare(changed, PUBLICATION) if c.statistic == "p_wilcoxon"]
    assert states == ["different"] * 3
