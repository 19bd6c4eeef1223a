from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcomes import rounding


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [
        (2.5, 0, "3"),
        (0.5, 0, "1"),
        (2.45, 1, "2.5"),
        (2.675, 2, "2.68"),
        (1.005, 2, "1.01"),
        (-0.25, 1, "-0.3"),
        (-0.04, 1, "0.0"),
        (8.571428571428571, 1, "8.6"),
        (1e22, 1, "10000000000000000000000.0"),
        (5e-324, 1, "0.0"),
    ],
)
def test_halves_go_up_where_python_goes_to_even(value: float, digits: int, shown: str) -> None:
    assert f"{rounding.rounded(value, digits):f}" == shown


@given(st.integers(0, 500), st.integers(1, 500), st.integers(0, 3))
def test_percentages_are_rounded_from_the_exact_fraction(k: int, n: int, digits: int) -> None:
    exact = Fraction(100 * k, n) * 10**digits
    expected = Fraction((exact + Fraction(1, 2)).__floor__(), 10**digits)
    assert Fraction(rounding.percent(k, n, digits)) == expected


def test_percent_at_a_tie_goes_up() -> None:
    assert rounding.percent(1, 800, 2) == Decimal("0.13")


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        (rounding.show(None), "\N{EN DASH}"),
        (rounding.show(-2.71875, 2), "\N{MINUS SIGN}2.72"),
        (rounding.show_share(34, 64), "34/64 (53.1%)"),
        (rounding.show_share(0, 0), "0/0"),
        (rounding.show_p(0.00009999), "< 0.0001"),
        (rounding.show_p(0.0001), "0.0001"),
        (rounding.show_p(0.00095), "0.0010"),
        (rounding.show_p(0.0482), "0.048"),
        (rounding.show_p(0.999), "0.999"),
        (rounding.show_p(1.0), "> 0.999"),
        (rounding.show_p(None), "\N{EN DASH}"),
        (rounding.show_month(200805.0), "2008-05"),
        (rounding.show_interval(0.4107, 0.6482, scale=100), "41.1 to 64.8"),
        (rounding.show_interval(None, 0.5), "\N{EN DASH}"),
        (rounding.show(rounding.scaled(0.285, 100), 0), "29"),
    ],
)
def test_forms_as_printed(found: str, shown: str) -> None:
    assert found == shown
