"""Effect sizes and the Hodges-Lehmann estimate, against brute force and a printed example."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from outcomes_testbed import reference, scores
from scipy import stats

from outcomes.paired import paired_change
from outcomes.results import Estimate

changes = st.lists(st.integers(-10, 10).map(float), min_size=1, max_size=30)
TIMES = {"nprs_24h": "24h", "nprs_1m": "1m", "nprs_last": "last"}


def found(rows: list[float]) -> dict[str, Estimate]:
    return {e.statistic: e for e in paired_change(rows, [0.0] * len(rows))}


@pytest.mark.parametrize(("column", "time"), list(TIMES.items()))
def test_effect_sizes_of_the_cohort_equal_the_reference(column: str, time: str) -> None:
    expected = reference()["pain"][time]
    estimates = {e.statistic: e for e in paired_change(scores(column), scores("nprs_baseline"))}
    assert estimates["hodges_lehmann"].value == expected["hodges_lehmann"]
    assert estimates["dz"].value == pytest.approx(expected["cohen_dz"], abs=5.1e-5)
    assert estimates["sd_change"].value == pytest.approx(expected["sd_change"], abs=5.1e-5)
    # The reference counts a fall of pain as positive; here a change is later minus earlier everywhere.
    assert estimates["rank_biserial"].value == pytest.approx(-expected["matched_rank_biserial"], abs=5.1e-5)


def test_hodges_lehmann_is_the_example_of_hollander_and_wolfe() -> None:
    """Depression scale, nine patients (sections 3.2, 3.3): -0.46, 96 % interval -0.786 to -0.010."""
    before = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
    after = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]
    estimate = {e.statistic: e for e in paired_change(after, before)}["hodges_lehmann"]
    assert estimate.value == pytest.approx(-0.46, abs=1e-9)
    assert [estimate.ci_low, estimate.ci_high] == pytest.approx([-0.786, -0.010], abs=1e-9)


@given(changes)
def test_hodges_lehmann_is_the_median_of_all_averages_of_two(rows: list[float]) -> None:
    averages = [(a + b) / 2 for a, b in itertools.combinations_with_replacement(rows, 2)]
    estimate = found(rows)["hodges_lehmann"]
    assert estimate.value == float(np.median(averages))
    if estimate.ci_low is not None and estimate.ci_high is not None:
        assert min(rows) <= estimate.ci_low <= (estimate.value or 0) <= estimate.ci_high <= max(rows)
        outside = sum(average < estimate.ci_low for average in averages)
        assert outside <= len(averages) * 0.5


@given(st.lists(st.floats(-5, 5, allow_nan=False), min_size=6, max_size=12, unique_by=(abs,)).filter(all))
@settings(deadline=None, max_examples=40)
def test_without_ties_the_interval_holds_what_the_exact_test_does_not_refuse(rows: list[float]) -> None:
    estimate = found(rows)["hodges_lehmann"]
    assert estimate.ci_low is not None
    assert estimate.ci_high is not None
    width = estimate.ci_high - estimate.ci_low
    inside, outside = estimate.ci_low + 1e-9 * (1 + width), estimate.ci_low - 1e-6 * (1 + width)
    p_inside, p_outside = (
        stats.wilcoxon([row - shift for row in rows], method="exact").pvalue for shift in (inside, outside)
    )
    assert p_outside <= 0.05 or width < 1e-6
    assert p_inside > 0.05 or width < 1e-6


@given(changes)
def test_effect_sizes_are_within_their_bounds(rows: list[float]) -> None:
    estimates = found(rows)
    biserial, dz = estimates["rank_biserial"], estimates["dz"]
    assert (biserial.value is None) == (not any(rows))
    if biserial.value is not None:
        assert -1 - 1e-12 <= biserial.value <= 1 + 1e-12
    assert (dz.value is None) == (len(set(rows)) == 1)
    if dz.value is not None:
        assert math.isfinite(dz.value)


def test_many_patients_take_the_normal_interval_of_all_pairs() -> None:
    rows = [float(i % 11 - 7) for i in range(300)]
    estimate = found(rows)["hodges_lehmann"]
    averages = sorted((a + b) / 2 for a, b in itertools.combinations_with_replacement(rows, 2))
    cut = round(300 * 301 / 4 - stats.norm.ppf(0.975) * math.sqrt(300 * 301 * 601 / 24))
    assert [estimate.ci_low, estimate.ci_high] == [averages[cut - 1], averages[-cut]]
    assert estimate.method == "Hodges-Lehmann, normal signed-rank 95 %"


def test_continuous_changes_in_great_number_are_not_assessable() -> None:
    estimate = found([i / 3000 for i in range(2500)])["hodges_lehmann"]
    assert (estimate.value, estimate.note) == (None, "not assessable: more than 2,000 distinct changes")
