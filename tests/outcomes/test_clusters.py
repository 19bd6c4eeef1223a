"""Intervals that know that lesions share a patient, against statsmodels and a plain bootstrap."""

import math
import random

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from outcomes_testbed import curative, curative_patients, lesions, reference

from outcomes import survival
from outcomes.clusters import DRAWS, clustered_horizons, clustered_proportion
from outcomes.results import Estimate
from outcomes.survival import kaplan_meier

# Lesions of patients: each patient one to five of them, each with an event or without.
patients = st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=5), min_size=1, max_size=25)
followed = st.lists(
    st.lists(st.tuples(st.integers(1, 60).map(float), st.integers(0, 1)), min_size=1, max_size=3),
    min_size=1,
    max_size=20,
)
SURVIVAL = ("survival", lambda events, _, at_risk: survival.product_limit(events, at_risk))


def shares(rows: list[list[int]], keys: list[int] | None = None) -> list[Estimate]:
    keys = keys or list(range(len(rows)))
    flat = [(event, key) for key, events in zip(keys, rows, strict=True) for event in events]
    return clustered_proportion([e for e, _ in flat], [1] * len(flat), [str(k) for _, k in flat])


def statsmodels_gee(rows: list[list[int]]) -> tuple[float, float, float]:
    events = np.array([event for patient in rows for event in patient])
    groups = np.array([number for number, patient in enumerate(rows) for _ in patient])
    model = sm.GEE(
        events, np.ones(len(events)), groups,
        family=sm.families.Binomial(), cov_struct=sm.cov_struct.Exchangeable(),
    )  # fmt: skip
    fitted = model.fit(maxiter=500, ctol=1e-13)
    bounds = [fitted.params[0], *fitted.conf_int()[0]]
    mean, low, high = (1 / (1 + math.exp(-bound)) for bound in bounds)
    return mean, low, high


@pytest.mark.parametrize(
    ("name", "column", "good"),
    [
        ("complications_per_lesion", "complication", "none"),
        ("local_control_lesions", "local_control", "no"),
    ],
)
def test_gee_of_the_cohort_equals_statsmodels_and_the_reference(name: str, column: str, good: str) -> None:
    by_patient: dict[str, list[int]] = {}
    for row in lesions():
        if row[column]:
            by_patient.setdefault(row["patient_id"], []).append(int(row[column] != good))
    _, found = shares(list(by_patient.values()))
    assert [found.value, found.ci_low, found.ci_high] == pytest.approx(
        statsmodels_gee(list(by_patient.values())), abs=1e-9
    )
    interval = [100 * (found.ci_low or 0), 100 * (found.ci_high or 0)]
    assert interval == pytest.approx(reference()["proportions"][name]["gee_logit_cluster"], abs=0.0051)


@given(patients.filter(lambda rows: 0 < sum(map(sum, rows)) < sum(map(len, rows)) and len(rows) > 5))
@settings(max_examples=12, deadline=None)  # statsmodels takes its time
def test_gee_of_any_cohort_equals_statsmodels(rows: list[list[int]]) -> None:
    _, found = shares(rows)
    if found.value is None or sum(len(row) * (len(row) - 1) // 2 for row in rows) <= 1:
        return  # statsmodels divides by zero, or warns, where we give a reason
    with np.errstate(all="ignore"):
        expected = statsmodels_gee(rows)
    # 1e-7: statsmodels stops when its score is small, which in odd cohorts is before ours stands still.
    assert [found.value, found.ci_low, found.ci_high] == pytest.approx(expected, abs=1e-7)


@given(patients, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_neither_row_order_nor_keys_of_patients_move_an_interval(
    rows: list[list[int]], shuffler: random.Random
) -> None:
    shuffled = [shuffler.sample(row, len(row)) for row in shuffler.sample(rows, len(rows))]
    keys = shuffler.sample(range(1000), len(rows))
    assert shares(rows) == shares(shuffled, keys)


@given(patients)
@settings(deadline=None)
def test_every_interval_is_within_bounds_or_has_a_reason(rows: list[list[int]]) -> None:
    for found in shares(rows):
        if found.value is None:
            assert found.note.startswith("not assessable: ")
        elif found.ci_low is None or found.ci_high is None:
            assert found.note.startswith("interval not assessable: ")
        else:
            assert 0 <= found.ci_low <= found.ci_high <= 1


def test_the_bootstrap_of_patients_is_the_one_that_draws_them_one_by_one() -> None:
    rows = [[0, 1, 1], [0], [0, 0], [1], [0, 0, 0, 1], [0], [0, 1], [0]] * 4
    found = shares(rows)[0]
    chance = random.Random(5)  # noqa: S311
    drawn = sorted(
        sum(map(sum, sample)) / sum(map(len, sample))
        for sample in (chance.choices(rows, k=len(rows)) for _ in range(4 * DRAWS))
    )
    assert found.ci_low == pytest.approx(drawn[int(0.025 * len(drawn))], abs=0.02)
    assert found.ci_high == pytest.approx(drawn[int(0.975 * len(drawn))], abs=0.02)
    assert found.method == "patient bootstrap, 2,000 draws, percentile 95 %"


@pytest.mark.parametrize("months", [12, 24, 36])
def test_survival_bootstrap_is_near_that_of_the_reference(months: int) -> None:
    """Not equal: the reference draws with another stream of chance; so within the error of 2,000 draws."""
    durations, events = curative()
    curve = kaplan_meier(durations, events)
    rows = (durations, [int(e) for e in events], curative_patients())
    (found,) = clustered_horizons(rows, curve, (months,), SURVIVAL)
    expected = reference()["local_control"]["kaplan_meier"][str(months)]
    assert [found.ci_low, found.ci_high] == pytest.approx(expected["patient_bootstrap_2000"], abs=0.03)
    assert found.value == pytest.approx(expected["survival"], abs=5.1e-5)


@given(followed, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=25)
def test_survival_bootstrap_knows_no_order_and_no_keys(
    rows: list[list[tuple[float, int]]], shuffler: random.Random
) -> None:
    def found(cohort: list[list[tuple[float, int]]], keys: list[int]) -> list[Estimate]:
        flat = [(*row, str(key)) for key, patient in zip(keys, cohort, strict=True) for row in patient]
        columns = ([d for d, _, _ in flat], [e for _, e, _ in flat], [k for _, _, k in flat])
        curve = kaplan_meier(columns[0], [bool(e) for e in columns[1]])
        return clustered_horizons(columns, curve, (6, 24), SURVIVAL)

    shuffled = [shuffler.sample(row, len(row)) for row in shuffler.sample(rows, len(rows))]
    first = found(rows, list(range(len(rows))))
    assert first == found(shuffled, shuffler.sample(range(1000), len(rows)))
    for estimate in first:
        if estimate.value is None:
            assert estimate.note.startswith("not assessable: ")
        else:
            assert 0 <= (estimate.ci_low or 0) <= (estimate.ci_high or 0) <= 1


def test_more_events_than_units_is_no_share() -> None:
    for found in clustered_proportion([3, 0], [1, 1], ["a", "b"]):
        assert (found.value, found.note) == (
            None,
            "not assessable: more events than rows is a rate, not a share",
        )
