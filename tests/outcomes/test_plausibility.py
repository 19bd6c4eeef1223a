import itertools
import statistics as exact
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcomes.plausibility import PrintedSummary, contradictions, possible_sds, solutions, summaries
from outcomes.publication import Publication, load_publication

PUBLICATION = load_publication(Path("config/publications/cazzato-2022.toml"))
PUBLISHED = summaries(PUBLICATION)


def half_up(value: float) -> Decimal:
    return Decimal(repr(round(value, 12))).quantize(Decimal("0.1"), ROUND_HALF_UP)


def printed(scores: tuple[int, ...], *, zeros: bool) -> PrintedSummary:
    return PrintedSummary(
        figure="test",
        n=len(scores),
        lowest=min(scores),
        highest=max(scores),
        mean=half_up(exact.fmean(scores)),
        sd=half_up(exact.stdev(scores)),
        digits=1,
        zeros=scores.count(0) if zeros else None,
    )


def by_hand(summary: PrintedSummary) -> int:
    """Every multiset of scores, one by one."""
    fits = set()
    scale = range(summary.lowest, summary.highest + 1)
    for scores in itertools.combinations_with_replacement(scale, summary.n):
        if summary.zeros is not None and scores.count(0) != summary.zeros:
            continue
        if printed(scores, zeros=summary.zeros is not None) == summary:
            fits.add((sum(scores), sum(s * s for s in scores)))
    return len(fits)


@pytest.mark.parametrize(("summary", "found"), list(zip(PUBLISHED, [96, 90, 119, 95, 0], strict=True)))
def test_published_summaries_have_the_known_numbers_of_solutions(summary: PrintedSummary, found: int) -> None:
    assert solutions(summary) == found


@pytest.mark.parametrize(("zeros", "found"), [(25, 95), (30, 95), (31, 93), (32, 53), (33, 6), (34, 0)])
def test_34_zeros_are_the_first_number_out_of_reach(zeros: int, found: int) -> None:
    assert solutions(replace(PUBLISHED[-1], zeros=zeros)) == found


def test_34_zeros_fit_when_the_highest_score_is_seven_or_the_sd_is_2_6() -> None:
    assert solutions(replace(PUBLISHED[-1], highest=7)) > 0
    assert solutions(replace(PUBLISHED[-1], sd=Decimal("2.6"))) > 0


@given(st.lists(st.integers(0, 5), min_size=2, max_size=6).map(tuple), st.booleans())
@settings(deadline=None, max_examples=40)
def test_search_equals_trying_every_set_of_scores(scores: tuple[int, ...], zeros: bool) -> None:
    summary = printed(scores, zeros=zeros)
    assert solutions(summary) == by_hand(summary) > 0


@pytest.mark.parametrize(
    "change",
    [{"n": 1}, {"zeros": 64}, {"zeros": 0}, {"lowest": 1, "zeros": 3}, {"mean": Decimal("9.9")}],
)
def test_impossible_summaries_have_no_solution(change: dict[str, object]) -> None:
    assert solutions(replace(PUBLISHED[0], **change)) == 0  # type: ignore[arg-type]


def changed(figure: str, printed: str) -> Publication:
    """The publication as if it had printed another figure."""
    figures = [
        f.model_copy(update={"printed": printed}) if f.figure == figure else f for f in PUBLICATION.figure
    ]
    return PUBLICATION.model_copy(update={"figure": tuple(figures)})


def test_the_abstract_contradicts_itself_in_two_figures() -> None:
    share, sd = contradictions(PUBLICATION)
    assert (share.figure, share.printed) == ("Complications per lesion (%)", "8.5")
    assert share.reason == "9/105 (8.571%) rounds to 8.6: the printed figure is cut off instead of rounded."
    assert (sd.figure, sd.printed) == ("NPRS at last follow-up, SD", "2.5")
    assert "34 zeros have an SD from 2.59 to 3.77" in sd.reason


def test_a_sound_publication_is_not_contradicted() -> None:
    sound = changed("Complications per lesion (%)", "8.6")
    assert [c.figure for c in contradictions(sound)] == ["NPRS at last follow-up, SD"]
    sound = changed("NPRS at last follow-up, SD", "2.6")
    assert [c.figure for c in contradictions(sound)] == ["Complications per lesion (%)"]


def test_a_share_that_is_wrong_in_another_way_is_not_called_cut_off() -> None:
    wrong = changed("Complications per lesion (%)", "7.5")
    assert "does not give the printed one" in contradictions(wrong)[0].reason


@given(st.lists(st.integers(0, 5), min_size=2, max_size=6).map(tuple))
@settings(deadline=None, max_examples=40)
def test_possible_sds_are_those_of_trying_every_set_of_scores(scores: tuple[int, ...]) -> None:
    summary = printed(scores, zeros=True)
    sds = [
        exact.stdev(each)
        for each in itertools.combinations_with_replacement(range(min(scores), max(scores) + 1), len(scores))
        if replace(printed(each, zeros=True), sd=summary.sd) == summary
    ]
    assert possible_sds(summary) == pytest.approx((min(sds), max(sds)))
