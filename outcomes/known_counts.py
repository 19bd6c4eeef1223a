"""Which counts are shown, and what a reader knows of how they add up.

A quantity (the lesions, the women, those at risk at 12 months) has a cell in each group that shows it. Cells
add up over centers, and within a group: a denominator is its numerator and the rest; those followed from the
start are those at risk and those who left before; complications are the major, the minor and those without a
class. Two quantities that are the same in every group are taken for one quantity: one may well be the other,
and a reader is taken to know more than he does, never less.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from outcomes.derivation import Cell, Sum, hidden_cells
from outcomes.results import ALL, MetricResult, center_group

# Statistics that measure; of any other a whole number is taken for a count.
_MEASURE = re.compile(
    r"(proportion|mean|sd|median|q1|q3|min|max|smd|dz|hodges_lehmann|rank_biserial"
    r"|(proportion|p|survival|incidence|difference|model|variance|gee)_\w+|\w+_change|difference)(\[.*\])?"
)
_CATEGORY = re.compile(r"(\w+)\[.*\]")
# What the flow counts to tell the cohort; procedures, scores and reports are the team's.
_COHORT_UNITS = ("patient", "session", "lesion")
# Quantities of one center alone that are below this are equal too often to mean the same.
_TELLING = 10

_REST = " but "

_AT_RISK = re.compile(r"at_risk_(\d+)m")


def result_counts(result: MetricResult) -> dict[str, int]:
    """Every count that a result shows, by kind: n, numerator, denominator, value."""
    found = {
        "n": result.n,
        "numerator": result.numerator,
        "denominator": result.denominator,
        "value": _counted_value(result),
    }
    return {kind: count for kind, count in found.items() if count is not None}


def _counted_value(result: MetricResult) -> int | None:
    """The value as a count, None when it measures something; what is unknown and whole counts something."""
    if result.value is None or _MEASURE.fullmatch(result.statistic):
        return None
    return int(result.value) if result.value == int(result.value) and result.value >= 0 else None


class KnownCounts:
    """The counts that one reader is shown together, and their sums; filled table by table."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[str, int]] = defaultdict(dict)
        self._parts: list[tuple[str, tuple[str, ...]]] = []

    def add_results(self, results: Sequence[MetricResult], part_of: Mapping[str, str]) -> None:
        """Add the counts of results; `part_of` maps a metric to the one whose events it is a part of."""
        for result in results:
            if is_detail(result):
                continue
            for kind, count in result_counts(result).items():
                self._note(quantity_of(result, kind), result.group, count)
            if result.numerator is not None:
                self._add_parts(quantity_of(result, "denominator"), [quantity_of(result, "numerator")])
        self._add_category_shares(results)
        self._add_risk(results)
        self._add_part_metrics(results, part_of)

    def add_flow(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add the study's flow: what entered a step was kept, or excluded for a reason."""
        excluded: dict[str, set[str]] = defaultdict(set)
        for row in rows:
            group, step = center_group(row["center_id"]), f"flow/{row['step_order']}"
            self._note(f"{step}/kept", group, row["kept"])
            if row["excluded"]:
                reason = f"{step}/excluded/{row['reason']}"
                excluded[step].add(reason)
                self._note(reason, group, row["excluded"])
        for step in {f"flow/{row['step_order']}" for row in rows}:
            names = [f"{step}/kept", *sorted(excluded[step])]
            for name in names:
                for group in self._counts[f"{step}/kept"]:
                    self._counts[name].setdefault(group, 0)
            self._add_total(f"{step}/entered", names)

    def hidden(self, threshold: int) -> frozenset[Cell]:
        """The cells that may not be shown, each under every name that its quantity has."""
        sums = [(total, (*parts, self._add_rest(total, parts))) for total, parts in self._parts]
        one = self._same_quantities()
        cells = hidden_cells(*self._cells(sums, one), threshold)
        # Where equal numbers were not taken for one quantity they may still be one: none of them is shown.
        vague = {(c.group, self._counts[c.quantity][c.group]) for c in cells if not self._tells(c.quantity)}
        return frozenset(
            Cell(group, quantity)
            for quantity, by_group in self._counts.items()
            for group, count in by_group.items()
            if Cell(group, one[quantity]) in cells or (count and (group, count) in vague)
        )

    def number(self, cell: Cell) -> int:
        """The count of a cell."""
        return self._counts[cell.quantity][cell.group]

    def _cells(
        self, sums: Sequence[tuple[str, tuple[str, ...]]], one: Mapping[str, str]
    ) -> tuple[dict[Cell, int], list[Sum]]:
        """Every cell with its count, and every sum; quantities that are the same everywhere are one."""
        counts = {
            Cell(group, one[quantity]): count
            for quantity, by_group in self._counts.items()
            for group, count in by_group.items()
        }
        over_centers = [
            each for quantity in dict.fromkeys(one.values()) for each in self._over_centers(quantity)
        ]
        within = [
            Sum(Cell(group, one[total]), tuple(Cell(group, one[part]) for part in parts))
            for total, parts in sums
            for group in self._counts[parts[-1]]
        ]
        return counts, [*over_centers, *within]

    def _note(self, quantity: str, group: str, count: int) -> None:
        self._counts[quantity][group] = count

    def _add_parts(self, total: str, parts: Sequence[str]) -> None:
        self._parts.append((total, tuple(parts)))

    def _add_total(self, total: str, parts: Sequence[str]) -> None:
        """Add a total of parts that are known by center, and all of them over all centers."""
        for part in parts:
            by_center = self._counts[part]
            by_center[ALL] = sum(count for group, count in by_center.items() if group != ALL)
        for group in {group for part in parts for group in self._counts[part]}:
            self._note(total, group, sum(self._counts[part].get(group, 0) for part in parts))
        self._add_parts(total, parts)

    def _add_category_shares(self, results: Iterable[MetricResult]) -> None:
        """The categories of one metric are parts of its denominator, unless they overlap."""
        shares: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
        for result in results:
            category = _CATEGORY.fullmatch(result.statistic)
            if category and result.numerator is not None and not is_detail(result):
                denominator = quantity_of(result, "denominator")
                shares[result.metric, category[1]][quantity_of(result, "numerator")] = denominator
        for parts in shares.values():
            self._add_parts(next(iter(parts.values())), list(parts))

    def _add_risk(self, results: Iterable[MetricResult]) -> None:
        """Of those at risk at a horizon, those at risk at the next are a part."""
        chains: dict[str, dict[int, str]] = defaultdict(dict)
        for result in results:
            horizon = _AT_RISK.fullmatch(result.statistic)
            if horizon:
                chains[result.metric] |= {
                    0: quantity_of(result, "n"),
                    int(horizon[1]): quantity_of(result, "value"),
                }
        for chain in chains.values():
            months = sorted(chain)
            for earlier, later in pairwise(months):
                self._add_parts(chain[earlier], [chain[later]])

    def _add_part_metrics(self, results: Iterable[MetricResult], part_of: Mapping[str, str]) -> None:
        counted = {}
        for result in results:
            kind = {"count": "value", "proportion": "numerator"}.get(result.statistic)
            if kind:
                counted[result.metric] = quantity_of(result, kind)
        parts: dict[str, list[str]] = defaultdict(list)
        for part, total in part_of.items():
            if part in counted and total in counted:
                parts[counted[total]].append(counted[part])
        for total, names in parts.items():
            self._add_parts(total, names)

    def _same_quantities(self) -> dict[str, str]:
        """Each quantity with the first that is the same in every group."""
        first: dict[frozenset[tuple[str, int]], str] = {}
        one = {}
        for quantity, by_group in self._counts.items():
            found = frozenset((group, count) for group, count in by_group.items() if count)
            one[quantity] = first.setdefault(found, quantity) if self._tells(quantity) else quantity
        return one

    def _tells(self, quantity: str) -> bool:
        """Whether another quantity that is the same in every group is so hardly by chance."""
        found = [count for count in self._counts[quantity].values() if count]
        return len(found) >= 3 or any(count >= _TELLING for count in found)

    def _over_centers(self, quantity: str) -> Iterator[Sum]:
        by_group = self._counts[quantity]
        centers = {group: count for group, count in by_group.items() if group.startswith(center_group(""))}
        if centers and by_group.get(ALL) == sum(centers.values()):
            yield Sum(Cell(ALL, quantity), tuple(Cell(group, quantity) for group in centers))

    def _add_rest(self, total: str, parts: Sequence[str]) -> str:
        """Add what parts leave of a total, in each group that tells all of them; returns its name."""
        rest = f"{total}{_REST}{', '.join(parts)}"
        for group, count in list(self._counts[total].items()):
            found = [self._counts[part].get(group) for part in parts]
            left = count - sum(each or 0 for each in found)
            if None not in found and left >= 0:
                self._note(rest, group, left)
        return rest


def cohort_flow(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The flow as it may leave the team: the steps of patients, sessions and lesions, reasons taken together.

    Reasons are small as a rule: shown one by one they would take the sizes of the cohort with them.
    """
    steps: dict[tuple[str, int], dict[str, Any]] = {}
    for row in rows:
        if row["unit"] in _COHORT_UNITS:
            step = steps.setdefault(
                (row["center_id"], row["step_order"]), {**row, "excluded": 0, "reason": None}
            )
            step["excluded"] += row["excluded"]
            if row["excluded"]:
                step["reason"] = "for any reason"
    return list(steps.values())


def compares(result: MetricResult) -> bool:
    """Whether a result compares centers (group `centers=a,b`) instead of describing one group."""
    return result.group.startswith("centers=")


def is_detail(result: MetricResult) -> bool:
    """Whether a result is shown to the team alone or with its metric: comparisons, categories of one center.

    Categories of a center are small as a rule; hiding some would take the figures of all centers with them.
    """
    is_category = _CATEGORY.fullmatch(result.statistic) is not None
    return compares(result) or (is_category and result.group != ALL)


def quantity_of(result: MetricResult, kind: str) -> str:
    """The name of a count of a result."""
    return f"{result.metric}/{result.statistic}/{kind}"
