"""Who reads, and what may therefore be shown: small counts, and everything that would give them away.

`team` sees everything. `shared` is for whatever leaves the study team: counts of 1 to threshold - 1 are
hidden, with the counts from which they could be derived (outcomes/derivation.py), and with them every
statistic of the rows they count: shares, intervals, p values, means, quantiles, ends of the range. A
result that compares centers is hidden as soon as anything of its metric is.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from outcomes.derivation import Cell
from outcomes.known_counts import KnownCounts, compares, is_detail, quantity_of, result_counts
from outcomes.results import MetricResult, center_group

AudienceName = Literal["team", "shared"]

DEFAULT_THRESHOLD = 5
SUPPRESSED = "suppressed: a small count, or one that would give a small count away"

Row = TypeVar("Row", bound=Mapping[str, Any])


@dataclass(frozen=True, slots=True)
class Audience:
    """Who reads: `team`, or `shared` with the smallest count that is shown (`threshold`, 0 for the team)."""

    name: AudienceName
    threshold: int

    @property
    def banner(self) -> str:
        """What stands at the head of everything that is made for this audience."""
        if self.name == "team":
            return "For the study team only: small counts are shown. Do not pass it on."
        return (
            f"For sharing: counts of 1 to {self.threshold - 1}, and what would give them away, "
            "are suppressed. Pseudonymized and aggregated data are still not anonymous."
        )


TEAM = Audience("team", 0)


def shared_audience(threshold: int = DEFAULT_THRESHOLD) -> Audience:
    """The audience of what leaves the team; `threshold` is the smallest count shown, at least 2."""
    if threshold < 2:
        raise ValueError("a threshold below 2 hides nothing")
    return Audience("shared", threshold)


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What one audience may see of one run: ask it before a count is shown.

    `numbers` are those that a table beside the results may not show in a group, as (group, number): whatever
    is counted there may be what is hidden. `cells` are the hidden counts of the results themselves;
    `team_only` are the metrics of which nothing is shared.
    """

    audience: Audience
    numbers: frozenset[tuple[str, int]]
    cells: frozenset[Cell]
    metrics_with_hidden: frozenset[str]
    team_only: frozenset[str] = frozenset()

    def shows(self, group: str, *counts: int | None) -> bool:
        """Whether all of these counts of a group may be shown; zeros and None always may."""
        return all(
            not count or (count >= self.audience.threshold and (group, count) not in self.numbers)
            for count in counts
        )

    def count(self, group: str, count: int | None) -> int | None:
        """The count, or None when it may not be shown."""
        return count if self.shows(group, count) else None

    def result(self, result: MetricResult) -> MetricResult:
        """The result as this audience may see it: hidden numbers are None, `note` begins `suppressed:`."""
        if self.audience.name == "team":
            return result
        if self._shows_all_of(result):
            return replace(result, note=_without_numbers(result.note))
        return replace(
            result,
            value=None,
            ci_low=None,
            ci_high=None,
            n=self._shown(result, "n"),
            numerator=None,
            denominator=self._shown(result, "denominator"),
            note=SUPPRESSED,
        )

    def _shows_all_of(self, result: MetricResult) -> bool:
        if result.metric in self.team_only:
            return False
        if is_detail(result):
            # Of categories the centers' counts are hidden; a difference and a pooled share would tell them.
            is_whole = compares(result) and "[" not in result.statistic
            return is_whole and result.metric not in self.metrics_with_hidden
        return not _names_one_of(self.cells, result)

    def _shown(self, result: MetricResult, kind: str) -> int | None:
        is_withheld = is_detail(result) or result.metric in self.team_only
        hidden = is_withheld or Cell(result.group, quantity_of(result, kind)) in self.cells
        return None if hidden else result_counts(result).get(kind)

    def results(self, results: Iterable[MetricResult]) -> list[MetricResult]:
        """Every result as this audience may see it."""
        return [self.result(result) for result in results]

    def curve(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """One curve of `outcomes.curve_result` (its rows in order) as this audience may see it.

        Shared, it moves only in steps of at least `threshold` events, ends where fewer are at risk, and has
        no numbers; a curve of a group whose size is hidden is empty.
        """
        if self.audience.name == "team":
            return [dict(row) for row in rows]
        smallest = self.audience.threshold
        shown: list[dict[str, Any]] = []
        events = competing = 0
        for row in rows:
            if row["at_risk"] < smallest or not self.shows(row["group"], rows[0]["at_risk"]):
                break
            events, competing = events + row["events"], competing + row["competing"]
            if all(count == 0 or count >= smallest for count in (events, competing)):
                shown.append({**row, **dict.fromkeys(("at_risk", "events", "competing", "censored"))})
                events = competing = 0
        return shown

    def rows(self, rows: Iterable[Row], *columns: str) -> list[dict[str, Any]]:
        """Rows of one center each (`center_id`) with the hidden counts in `columns` as None."""
        return [
            {
                name: self.count(center_group(row["center_id"]), value) if name in columns else value
                for name, value in row.items()
            }
            for row in rows
        ]


def disclose(
    audience: Audience,
    results: Sequence[MetricResult],
    part_of: Mapping[str, str],
    tables: KnownCounts | None = None,
    team_only: frozenset[str] = frozenset(),
) -> Disclosure:
    """What `audience` may see of the results of one run, and of the tables of counts shown beside them.

    `part_of` maps a metric to the one whose events it is a part of (`outcomes.metric.part_metrics`);
    `team_only` are those of which nothing is shared (`outcomes.metric.team_metrics`), so that nothing else
    has to be hidden for their sake. All that one reader gets must be disclosed together: what is hidden in
    one table must not stand in another.
    """
    if audience.name == "team":
        return Disclosure(audience, frozenset(), frozenset(), frozenset())
    known = tables or KnownCounts()
    shared = [result for result in results if result.metric not in team_only]
    known.add_results(shared, part_of)
    cells = known.hidden(audience.threshold)
    numbers = frozenset((cell.group, known.number(cell)) for cell in cells)
    # Categories of a center are never shown, so nothing that compares centers by them may be either.
    touched = {r.metric for r in shared if _names_one_of(cells, r) or (is_detail(r) and not compares(r))}
    return Disclosure(audience, numbers, cells, frozenset(touched), team_only)


def _names_one_of(cells: frozenset[Cell], result: MetricResult) -> bool:
    return any(Cell(result.group, quantity_of(result, kind)) in cells for kind in result_counts(result))


def _without_numbers(note: str) -> str:
    """A note without its remarks that quote counts: `3 of 64 without a value left out`."""
    return "; ".join(part for part in note.split("; ") if not re.search(r"\d", part))
