"""The one rounding rule: half up (away from zero) on the exact number, as papers round.

`round()` and `format()` round halves to even and see binary noise; SQL rounds differently again. Every
figure shown to a person (report, comparison, command line, CSV) therefore comes through this module.
A fraction k/n is rounded from the exact ratio; a float is read as its shortest decimal text (`repr`),
so that 2.45 is the 2.45 its author meant.
"""

from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction

NOT_ASSESSABLE = "\N{EN DASH}"

_EXACT = Context(prec=60)


def rounded(value: float | Fraction | Decimal, digits: int) -> Decimal:
    """`value` rounded half up to `digits` decimals; negative halves go away from zero; never -0."""
    exact = _decimal(value)
    shown = exact.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP, context=_EXACT)
    return abs(shown) if shown == 0 else shown


def percent(numerator: int, denominator: int, digits: int = 1) -> Decimal:
    """The percentage numerator / denominator, rounded from the exact fraction; denominator > 0."""
    return rounded(Fraction(100 * numerator, denominator), digits)


def show(value: float | Decimal | None, digits: int = 1) -> str:
    """`value` as printed, or a dash when it is not assessable."""
    return NOT_ASSESSABLE if value is None else f"{rounded(value, digits):f}".replace("-", "\N{MINUS SIGN}")


def show_share(numerator: int, denominator: int, digits: int = 1) -> str:
    """A percentage with both numbers beside it: `34/64 (53.1%)`."""
    if denominator == 0:
        return f"{numerator}/0"
    return f"{numerator}/{denominator} ({percent(numerator, denominator, digits):f}%)"


def show_p(value: float | None) -> str:
    """A p value to three decimals (four below 0.001), never 0 or 1: `< 0.0001`, `> 0.999`."""
    if value is None:
        return NOT_ASSESSABLE
    if value < 0.0001:
        return "< 0.0001"
    return "> 0.999" if value > 0.999 else f"{rounded(value, 3 if value >= 0.001 else 4):f}"


def show_month(value: float | None) -> str:
    """The calendar month in the number year x 100 + month: 200805 is `2008-05`."""
    return NOT_ASSESSABLE if value is None else f"{int(value) // 100:04d}-{int(value) % 100:02d}"


def show_interval(low: float | None, high: float | None, digits: int = 1, scale: int = 1) -> str:
    """An interval as `41.1 to 64.8`, both ends multiplied by `scale` (100 for shares)."""
    if low is None or high is None:
        return NOT_ASSESSABLE
    return f"{show(scaled(low, scale), digits)} to {show(scaled(high, scale), digits)}"


def scaled(value: float, scale: int) -> Decimal:
    """`value` times `scale`, in decimal: 0.285 becomes 28.5, not 28.499999999999996."""
    return _EXACT.multiply(_decimal(value), Decimal(scale))


def _decimal(value: float | Fraction | Decimal) -> Decimal:
    if isinstance(value, Decimal):
        return value
    if isinstance(value, Fraction):
        return _EXACT.divide(Decimal(value.numerator), Decimal(value.denominator))
    return Decimal(repr(float(value)))
