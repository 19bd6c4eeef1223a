"""Two centers side by side, against statsmodels, SciPy, lifelines and tableone."""

import math
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines.statistics import logrank_test
from outcomes_testbed import lesions, patients, reference
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep
from tableone import TableOne
from tableone.statistics import Statistics

from outcomes import contrasts
from outcomes.results import Estimate
from outcomes.survival import kaplan_meier

share = st.integers(1, 80).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
values = st.lists(st.integers(0, 100).map(float), min_size=2, max_size=40)
followed = st.lists(st.tuples(st.integers(1, 60).map(float), st.booleans()), min_size=1, max_size=30)


def named(found: list[Estimate]) -> dict[str, Estimate]:
    return {estimate.statistic: estimate for estimate in found}


@given(share, share)
def test_difference_of_shares_equals_statsmodels_and_fisher_scipy(
    a: tuple[int, int], b: tuple[int, int]
) -> None:
    found = named(contrasts.shares(a, b))
    low, high = confint_proportions_2indep(*a, *b, method="newcomb", compare="diff")
    assert found["difference"].value == pytest.approx(a[0] / a[1] - b[0] / b[1], abs=1e-12)
    assert [found["difference"].ci_low, found["difference"].ci_high] == pytest.approx([low, high], abs=1e-9)
    p = stats.fisher_exact([[a[0], a[1] - a[0]], [b[0], b[1] - b[0]]]).pvalue
    assert found["p_fisher"].value == pytest.approx(min(1.0, p), abs=1e-12)


def test_pain_free_of_the_centers_is_that_of_the_reference() -> None:
    expected = reference()["centers"]
    a, b = (tuple(expected["pain_free_last"][center]) for center in "AB")
    assert named(contrasts.shares(a, b))["p_fisher"].value == pytest.approx(expected["fisher_p"], abs=5e-5)


@given(values, values)
def test_difference_of_means_equals_scipys_welch(a: list[float], b: list[float]) -> None:
    (found,) = contrasts.means(a, b)
    assert found.value == pytest.approx(np.mean(a) - np.mean(b), abs=1e-9)
    if found.ci_low is None:
        assert len(set(a)) == len(set(b)) == 1
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of precision, where one center does not vary
        interval = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert [found.ci_low, found.ci_high] == pytest.approx([interval.low, interval.high], abs=1e-9)


@given(followed, followed)
@settings(deadline=None, max_examples=40)
def test_log_rank_equals_lifelines(a: list[tuple[float, bool]], b: list[tuple[float, bool]]) -> None:
    (da, ea), (db, eb) = ([list(column) for column in zip(*rows, strict=True)] for rows in (a, b))
    found = named(contrasts.curves(kaplan_meier(da, ea), kaplan_meier(db, eb), (12,)))["p_logrank"]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # lifelines divides by zero where we say not assessable
        expected = logrank_test(da, db, ea, eb).p_value
    if found.value is None:
        assert not math.isfinite(expected) or expected == pytest.approx(1.0)
    else:
        assert found.value == pytest.approx(expected, abs=1e-9)


def test_difference_of_survival_has_greenwoods_error() -> None:
    first = kaplan_meier([1.0, 2.0, 3.0, 20.0], [True, False, True, False])
    second = kaplan_meier([4.0, 15.0, 16.0], [True, False, False])
    found = named(contrasts.curves(first, second, (12,)))["difference_12m"]
    ours, theirs = 3 / 4 * 1 / 2, 2 / 3
    error = math.sqrt(ours**2 * (1 / 12 + 1 / 2) + theirs**2 * (1 / 6))
    assert found.value == pytest.approx(ours - theirs, rel=1e-12)
    assert found.ci_high == pytest.approx(ours - theirs + stats.norm.ppf(0.975) * error, rel=1e-12)


def by_center(rows: list[dict[str, str]], column: str) -> tuple[list[str], list[str]]:
    first, second = ([row[column] for row in rows if row["center"] == center] for center in "AB")
    return first, second


@pytest.mark.parametrize(
    ("rows", "column"), [(patients(), "sex"), (patients(), "primary_tumour"), (lesions(), "region")]
)
def test_standardized_difference_of_categories_equals_tableone(
    rows: list[dict[str, str]], column: str
) -> None:
    first, second = by_center(rows, column)
    (found,) = contrasts.standardized_categories(first, second)
    names = sorted({*first, *second})
    shares = [[values.count(name) / len(values) for name in names] for values in (first, second)]
    expected, _ = Statistics()._cat_smd(*shares, len(first), len(second))
    assert found.value == pytest.approx(float(np.squeeze(expected)), abs=1e-9)


def test_standardized_difference_of_ages_equals_tableone_and_its_table() -> None:
    first, second = ([float(age) for age in ages] for ages in by_center(patients(), "age"))
    (found,) = contrasts.standardized_means(first, second)
    spread = [float(np.std(ages, ddof=1)) for ages in (first, second)]
    expected, _ = Statistics()._cont_smd(
        mean1=np.mean(first),
        mean2=np.mean(second),
        sd1=spread[0],
        sd2=spread[1],
        n1=len(first),
        n2=len(second),
    )
    assert -(found.value or 0) == pytest.approx(expected, abs=1e-9)  # tableone subtracts the first
    frame = pd.DataFrame({"age": [*first, *second], "center": ["A"] * len(first) + ["B"] * len(second)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas, about tableone
        table = TableOne(frame, columns=["age"], groupby="center", smd=True).tableone
    printed = [str(cell) for cell in table.to_numpy().ravel()]
    assert f"{-(found.value or 0):.3f}" in printed


@given(share, share)
def test_standardized_difference_of_two_categories_is_that_of_shares(
    a: tuple[int, int], b: tuple[int, int]
) -> None:
    first, second = (["no"] * (n - k) + ["yes"] * k for k, n in (a, b))
    (ours,), (theirs,) = contrasts.standardized_shares(a, b), contrasts.standardized_categories(first, second)
    assert (ours.value is None) == (theirs.value is None)
    if ours.value is not None and theirs.value is not None:
        assert abs(ours.value) == pytest.approx(theirs.value, abs=1e-9)


@pytest.mark.parametrize(
    "found",
    [
        contrasts.shares((0, 0), (1, 2)),
        contrasts.means([1.0], [1.0, 2.0]),
        contrasts.curves(kaplan_meier([], []), kaplan_meier([5.0], [True]), (12,)),
        contrasts.standardized_means([], [1.0, 2.0]),
        contrasts.standardized_shares((0, 0), (1, 2)),
        contrasts.standardized_categories([], ["a"]),
        contrasts.standardized_categories(["a"], ["b"]),
        contrasts.standardized_means([1.0, 1.0], [2.0, 2.0]),
    ],
)
def test_centers_without_rows_or_spread_give_reasons(found: list[Estimate]) -> None:
    assert found
    for estimate in found:
        assert estimate.value is None
        assert estimate.note.startswith("not assessable: ")
