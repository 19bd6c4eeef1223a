"""Stratified estimates: centers compared within strata of case mix, and centers pooled with a fixed effect.

Two centers are no sample of centers, so nothing here assumes that they are: no random effect and no
heterogeneity statistic.
"""

import math
from collections.abc import Sequence

from scipy import stats

from outcomes.contrasts import Share
from outcomes.results import Estimate, not_assessable
from outcomes.statistics import CONFIDENCE, exact_mean, exact_sd

_Z = float(stats.norm.ppf((1 + CONFIDENCE) / 2))
DIFFERENCE = "difference_stratified"


def mantel_haenszel(strata: Sequence[tuple[Share, Share]]) -> list[Estimate]:
    """Difference of two shares over strata (Mantel and Haenszel 1959, variance of Sato 1989) and its test.

    A stratum is the share of the first and of the second center; one that a center has no rows of says
    nothing and is left out. The test is that of Cochran, Mantel and Haenszel, without continuity correction.
    """
    if not all(0 <= k <= m for pair in strata for k, m in pair):
        reason = "more events than rows is a rate, not a share"
        return [not_assessable(name, reason, n=0) for name in (DIFFERENCE, "p_cmh")]
    both = [pair for pair in strata if pair[0][1] and pair[1][1]]
    return [_difference(both), _cochran(both)]


def _difference(strata: Sequence[tuple[Share, Share]]) -> Estimate:
    n = _size(strata)
    if not strata:
        return not_assessable(DIFFERENCE, "no stratum has rows of both centers", n=n)
    weight = math.fsum(n1 * n2 / (n1 + n2) for (_, n1), (_, n2) in strata)
    value = math.fsum((k1 * n2 - k2 * n1) / (n1 + n2) for (k1, n1), (k2, n2) in strata) / weight
    slope = math.fsum(
        (k2 * n1**2 - k1 * n2**2 + n1 * n2 * (n2 - n1) / 2) / (n1 + n2) ** 2 for (k1, n1), (k2, n2) in strata
    )
    level = math.fsum((k1 * (n2 - k2) + k2 * (n1 - k1)) / (n1 + n2) / 2 for (k1, n1), (k2, n2) in strata)
    variance = (value * slope + level) / weight**2
    if variance <= 0:
        note = "interval not assessable: every stratum has one outcome alone"
        return Estimate(statistic=DIFFERENCE, value=value, n=n, note=note)
    half = _Z * math.sqrt(variance)
    return Estimate(
        statistic=DIFFERENCE,
        value=value,
        n=n,
        ci_low=value - half,
        ci_high=value + half,
        method=f"Mantel-Haenszel over {len(strata)} strata, Sato 95 %",
    )


def _cochran(strata: Sequence[tuple[Share, Share]]) -> Estimate:
    n = _size(strata)
    excess = math.fsum(k1 - n1 * (k1 + k2) / (n1 + n2) for (k1, n1), (k2, n2) in strata)
    variance = math.fsum(
        n1 * n2 * (k1 + k2) * (n1 + n2 - k1 - k2) / ((n1 + n2) ** 2 * (n1 + n2 - 1))
        for (k1, n1), (k2, n2) in strata
    )
    if variance == 0:
        return not_assessable("p_cmh", "no stratum has both centers and both outcomes", n=n)
    p = float(stats.chi2.sf(excess**2 / variance, 1))
    return Estimate(statistic="p_cmh", value=p, n=n, method="Cochran-Mantel-Haenszel, two-sided")


def fixed_effect(centers: Sequence[Sequence[float]]) -> list[Estimate]:
    """The mean change of all centers, each weighing by the inverse of its variance: a fixed effect."""
    name, n = "stratified_change", sum(len(changes) for changes in centers)
    present = [changes for changes in centers if changes]
    if len(present) < 2:
        return [not_assessable(name, "fewer than two centers", n=n)]
    if any(len(changes) < 2 or min(changes) == max(changes) for changes in present):
        return [not_assessable(name, "a center has no spread of its own", n=n)]
    weights = [len(changes) / exact_sd(changes) ** 2 for changes in present]
    total = math.fsum(weights)
    value = math.fsum(w * exact_mean(c) for w, c in zip(weights, present, strict=True)) / total
    half = _Z / math.sqrt(total)
    return [
        Estimate(
            statistic=name,
            value=value,
            n=n,
            ci_low=value - half,
            ci_high=value + half,
            method=f"inverse variance over {len(present)} centers, fixed effect, normal 95 %",
        )
    ]


def _size(strata: Sequence[tuple[Share, Share]]) -> int:
    return sum(m for pair in strata for _, m in pair)
