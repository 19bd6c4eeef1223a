"""The mixed model and the GEE of pain over time, against statsmodels."""

import random

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st
from outcomes_testbed import patients, reference

from outcomes.models import trajectory
from outcomes.results import Estimate

TIMES = ("baseline", "24h", "1m", "last")
Rows = list[tuple[str, int, str, float]]

histories = st.lists(
    st.lists(st.one_of(st.none(), st.integers(0, 10).map(float)), min_size=4, max_size=4),
    min_size=0,
    max_size=15,
)


def cohort_rows() -> Rows:
    return [
        (p["patient_id"], order, time, float(p[f"nprs_{time}"]))
        for p in patients()
        for order, time in enumerate(TIMES)
        if p["painful"] == "yes"
    ]


def with_missing(rows: Rows) -> Rows:
    """Every fifth later score is lost."""
    return [row for number, row in enumerate(rows) if row[2] == "baseline" or number % 5]


def named(rows: Rows) -> dict[str, Estimate]:
    return {e.statistic: e for e in trajectory(*map(list, zip(*rows, strict=True)))}  # type: ignore[arg-type]


def frame(rows: Rows) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["patient", "order", "time", "score"])
    table["time"] = pd.Categorical(table.time, TIMES)
    return table


@pytest.mark.parametrize("rows", [cohort_rows(), with_missing(cohort_rows())], ids=["all", "some missing"])
def test_mixed_model_equals_statsmodels(rows: Rows) -> None:
    """Means to 1e-9 in balanced data; else as near as statsmodels' optimizer of the variances goes."""
    found, table = named(rows), frame(rows)
    fitted = smf.mixedlm("score ~ C(time)", table, groups=table.patient).fit(
        reml=True, method=["bfgs"], gtol=1e-10
    )
    near = 1e-9 if len(rows) == 4 * 64 else 1e-4
    errors = least_squares_errors(table, float(fitted.cov_re.iloc[0, 0]), float(fitted.scale))
    for place, time in enumerate(TIMES[1:], start=1):
        change, name = found[f"model_change[{time}]"], f"C(time)[T.{time}]"
        assert change.value == pytest.approx(fitted.fe_params[name], abs=near)
        half = ((change.ci_high or 0) - (change.ci_low or 0)) / 2
        assert half / 1.959963984540054 == pytest.approx(errors[place], abs=1e-5)
    assert found["model_mean[baseline]"].value == pytest.approx(fitted.fe_params["Intercept"], abs=near)
    assert found["variance_patient"].value == pytest.approx(fitted.cov_re.iloc[0, 0], abs=1e-3)
    assert found["variance_residual"].value == pytest.approx(fitted.scale, abs=1e-3)


def least_squares_errors(table: pd.DataFrame, between: float, within: float) -> list[float]:
    """Standard errors by generalized least squares, from the package's variances.

    Its own come from the observed information of means and variances together, which in unbalanced data is
    not the same: 0.3127 for 0.3121 here.
    """
    information = np.zeros((4, 4))
    for _, rows in table.groupby("patient"):
        design = np.eye(4)[rows.order.to_numpy()]
        design[:, 0] = 1
        covariance = within * np.eye(len(rows)) + between
        information += design.T @ np.linalg.solve(covariance, design)
    return [float(error) for error in np.sqrt(np.diag(np.linalg.inv(information)))]


def test_mixed_model_equals_the_reference() -> None:
    found, expected = named(cohort_rows()), reference()["mixed_model"]
    for time in TIMES[1:]:
        change = found[f"model_change[{time}]"]
        assert change.value == pytest.approx(expected["fixed"][f"C(time)[T.{time}]"], abs=5.1e-5)
        half = ((change.ci_high or 0) - (change.ci_low or 0)) / 2
        assert half / 1.96 == pytest.approx(expected["se"][f"C(time)[T.{time}]"], abs=5.1e-5)
    # The reference's optimizer stopped at the third decimal of the variances.
    assert found["variance_patient"].value == pytest.approx(expected["var_patient"], abs=2e-3)
    assert found["variance_residual"].value == pytest.approx(expected["var_residual"], abs=2e-4)


@pytest.mark.parametrize("rows", [cohort_rows(), with_missing(cohort_rows())], ids=["all", "some missing"])
def test_gee_equals_statsmodels(rows: Rows) -> None:
    found, table = named(rows), frame(rows)
    fitted = smf.gee(
        "score ~ C(time)", groups="patient", data=table, cov_struct=sm.cov_struct.Exchangeable()
    ).fit(maxiter=500, ctol=1e-13)
    for time in TIMES[1:]:
        change, name = found[f"gee_change[{time}]"], f"C(time)[T.{time}]"
        assert change.value == pytest.approx(fitted.params[name], abs=1e-9)
        assert [change.ci_low, change.ci_high] == pytest.approx(list(fitted.conf_int().loc[name]), abs=1e-8)


def rows_of(cohort: list[list[float | None]], keys: list[str]) -> Rows:
    return [
        (key, order, TIMES[order], score)
        for key, scores in zip(keys, cohort, strict=True)
        for order, score in enumerate(scores)
        if score is not None
    ]


@given(histories)
@settings(deadline=None, max_examples=60)
def test_any_cohort_gives_finite_numbers_or_one_reason(cohort: list[list[float | None]]) -> None:
    rows = rows_of(cohort, [str(number) for number in range(len(cohort))])
    if not rows:
        rows = []
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], [], []]
    for estimate in trajectory(*columns):  # type: ignore[arg-type]
        if estimate.value is None:
            assert estimate.note.startswith("not assessable: ")
        else:
            numbers = [n for n in (estimate.value, estimate.ci_low, estimate.ci_high) if n is not None]
            assert np.isfinite(numbers).all()


@given(
    histories.filter(lambda c: sum(s is not None for h in c for s in h) > 12),
    st.randoms(use_true_random=False),
)
@settings(deadline=None, max_examples=25)
def test_neither_row_order_nor_keys_change_the_fit(
    cohort: list[list[float | None]], shuffler: random.Random
) -> None:
    rows = rows_of(cohort, [str(number) for number in range(len(cohort))])
    other = rows_of(cohort, [f"p{number}" for number in shuffler.sample(range(999), len(cohort))])
    shuffler.shuffle(other)
    assert named(rows) == named(other)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([("a", 0, "baseline", 7.0), ("a", 1, "24h", 3.0)], "fewer than two patients"),
        ([("a", 0, "baseline", 7.0), ("b", 0, "baseline", 3.0)], "scores at one time only"),
        ([("a", 0, "baseline", 7.0), ("b", 1, "24h", 3.0)], "no patient has scores at two times"),
        (
            [(p, o, TIMES[o], 4.0 - o) for p in "abc" for o in (0, 1)],
            "the scores do not vary within patients",
        ),
    ],
)
def test_what_cannot_be_fitted_says_why(rows: Rows, reason: str) -> None:
    assert {(e.value, e.note) for e in named(rows).values()} == {(None, f"not assessable: {reason}")}
