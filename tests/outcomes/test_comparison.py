from dataclasses import replace
from pathlib import Path

import pytest

from mappings.errors import ConfigError
from outcomes.comparison import compare, load_publication
from outcomes.metric import load_metrics
from outcomes.results import Results

HEADER = "figure,metric,group,statistic,relation,printed,digits,known_value,known_reason\n"


def test_the_cohort_gives_every_printed_figure_but_the_two_known(results: Results) -> None:
    found = compare(results, load_publication())
    assert len(found) == 46
    assert [c for c in found if c.state == "different"] == []
    known = {c.figure: (c.printed, c.computed) for c in found if c.state == "known difference"}
    assert known == {
        "Complications per lesion (%)": ("8.5", "8.6"),
        "NPRS at last follow-up, SD": ("2.5", "2.6"),
    }
    assert all(c.reason for c in found if c.state == "known difference")
    assert not any(c.reason for c in found if c.state == "as printed")


def test_every_printed_figure_names_a_metric_that_exists() -> None:
    assert {f.metric for f in load_publication()} <= {metric.metric for metric in load_metrics()}


def test_a_known_difference_excuses_no_other_value(results: Results) -> None:
    changed = [
        replace(r, numerator=12) if r.metric == "complications_per_lesion" and r.group == "all" else r
        for r in results
    ]
    states = {c.figure: c.state for c in compare(changed, load_publication())}
    assert states["Complications per lesion (%)"] == "different"


def test_a_figure_nobody_computed_is_different() -> None:
    assert {c.state for c in compare([], load_publication())} == {"different"}


def test_a_p_value_at_its_bound_is_not_below_it(results: Results) -> None:
    changed = [replace(r, value=0.0001) if r.statistic == "p_wilcoxon" else r for r in results]
    states = [c.state for c in compare(changed, load_publication()) if c.statistic == "p_wilcoxon"]
    assert states == ["different"] * 3


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("Women,women,all,count,~,35,0,,\n", "relation"),
        ("Women,women,all,count,=,many,0,,\n", "printed"),
        ("Women,women,all,count,=,35,x,,\n", "digits"),
        ("Women,women,all,count,=,35\n", "a column is missing"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, problem: str) -> None:
    path = tmp_path / "paper.csv"
    path.write_text(HEADER + line, encoding="utf-8")
    with pytest.raises(ConfigError, match=f"paper.csv, line 2: {problem}"):
        load_publication(path)


def test_other_columns_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "paper.csv"
    path.write_text("figure,metric\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="other columns"):
        load_publication(path)
