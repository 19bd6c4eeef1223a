"""What is shared hides small counts, and an attacker who adds and subtracts what is shown learns none."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from outcomes import statistics
from outcomes.derivation import Cell, Sum, hidden_cells
from outcomes.disclosure import SUPPRESSED, TEAM, Disclosure, disclose, shared_audience
from outcomes.known_counts import KnownCounts, cohort_flow, quantity_of, result_counts
from outcomes.metric import load_metrics, part_metrics, team_metrics
from outcomes.refresh import OUTCOMES, read_sql
from outcomes.results import ALL, Estimate, MetricResult, Results, Source, center_group
from warehouse.connection import Warehouse

THRESHOLD = 5
CENTERS = ("a", "b", "c")


@dataclass(frozen=True, slots=True)
class Patient:
    center_id: str
    group: str
    score: float


patients = st.lists(
    st.builds(
        Patient,
        center_id=st.sampled_from(CENTERS),
        group=st.sampled_from(["major", "minor", "none"]),
        score=st.integers(0, 10).map(float),
    ),
    max_size=40,
)


def source(metric: str, group: str) -> Source:
    return Source(run_id=1, metric=metric, version=1, group=group, rules="")


def figures(people: Sequence[Patient]) -> list[MetricResult]:
    """Patients, events with their parts, and scores, of all and of each center."""
    found = []
    for group, rows in [
        (ALL, people),
        *((center_group(c), [p for p in people if p.center_id == c]) for c in CENTERS),
    ]:
        events = [p for p in rows if p.group != "none"]
        estimates = {
            "patients": statistics.count(len(rows)),
            "events": statistics.count(len(events)),
            "major": statistics.proportion(sum(p.group == "major" for p in rows), len(rows)),
            "minor": statistics.proportion(sum(p.group == "minor" for p in rows), len(rows)),
            "score": statistics.summary([p.score for p in rows]),
        }
        found += [MetricResult.of(source(m, group), e) for m, es in estimates.items() for e in es]
    return found


PART_OF = {"major": "events", "minor": "events"}


class Attacker:
    """Knows how cells add up and which are hidden, and asks what a hidden one can be at least and most."""

    def __init__(self) -> None:
        self.cells: dict[tuple[str, str], int] = {}
        self.hidden: set[tuple[str, str]] = set()
        self.sums: list[tuple[tuple[str, str], list[tuple[str, str]]]] = []

    def see(self, cell: tuple[str, str], truth: int, *, is_shown: bool) -> None:
        self.cells[cell] = truth
        if not is_shown and truth:
            self.hidden.add(cell)

    def range_of(self, cell: tuple[str, str], limit: int = 1000) -> tuple[int, int]:
        unknown = sorted(self.hidden)
        matrix, right = np.zeros((len(self.sums), len(unknown))), np.zeros(len(self.sums))
        for number, (total, parts) in enumerate(self.sums):
            for each, factor in [(total, -1), *((part, 1) for part in parts)]:
                if each in self.hidden:
                    matrix[number, unknown.index(each)] += factor
                else:
                    right[number] -= factor * self.cells[each]
        ends = []
        for sign in (1, -1):
            objective = np.array([sign if each == cell else 0 for each in unknown])
            found = milp(objective, constraints=LinearConstraint(matrix, right, right),
                         integrality=np.ones(len(unknown)), bounds=Bounds(1, limit))  # fmt: skip
            assert found.success, found.message
            ends.append(round(sign * found.fun))
        return ends[0], ends[1]


def attacker_of(truth: Sequence[MetricResult], shown: Sequence[MetricResult]) -> Attacker:
    attacker, groups = Attacker(), (ALL, *map(center_group, CENTERS))
    seen = {(r.metric, r.statistic, r.group): r for r in shown}
    true = {(r.metric, r.statistic, r.group): r for r in truth}
    for group in groups:
        for metric in ("patients", "events"):
            key = (metric, "count", group)
            attacker.see((metric, group), int(true[key].value or 0), is_shown=seen[key].value is not None)
        for metric in ("major", "minor"):
            key = (metric, "proportion", group)
            real, visible = true[key], seen[key]
            is_shown = visible.numerator is not None or (visible.value is not None and visible.n is not None)
            attacker.see((metric, group), real.numerator or 0, is_shown=is_shown)
            rest = (real.denominator or 0) - (real.numerator or 0)
            attacker.see(
                (f"not {metric}", group), rest, is_shown=is_shown and visible.denominator is not None
            )
            attacker.see((f"of {metric}", group), real.denominator or 0,
                         is_shown=visible.denominator is not None or visible.n is not None)  # fmt: skip
            attacker.sums.append(((f"of {metric}", group), [(metric, group), (f"not {metric}", group)]))
            # Everybody knows that a share of patients is of the patients.
            attacker.sums.append((("patients", group), [(f"of {metric}", group)]))
        attacker.sums.append((("events", group), [("major", group), ("minor", group)]))
        score = ("score", "mean", group)
        attacker.see(("scored", group), true[score].n or 0, is_shown=seen[score].n is not None)
        attacker.sums.append((("patients", group), [("scored", group)]))
    for metric in {metric for metric, _ in attacker.cells}:
        attacker.sums.append(((metric, ALL), [(metric, center_group(c)) for c in CENTERS]))
    return attacker


@settings(max_examples=60, deadline=None)
@given(people=patients)
def test_no_small_count_can_be_derived_from_what_is_shared(people: list[Patient]) -> None:
    truth = figures(people)
    disclosure = disclose(shared_audience(THRESHOLD), truth, PART_OF)
    attacker = attacker_of(truth, disclosure.results(truth))
    for cell, count in attacker.cells.items():
        if 0 < count < THRESHOLD:
            assert cell in attacker.hidden
            low, high = attacker.range_of(cell)
            assert high - low + 1 >= THRESHOLD - 1, (cell, count, low, high)


@settings(max_examples=60, deadline=None)
@given(people=patients)
def test_nothing_is_said_of_a_small_group_and_no_mean_can_be_taken_apart(people: list[Patient]) -> None:
    truth = figures(people)
    shown = Results(disclose(shared_audience(THRESHOLD), truth, PART_OF).results(truth))
    sizes = {c: sum(p.center_id == c for p in people) for c in CENTERS}
    for center_id, size in sizes.items():
        if 0 < size < THRESHOLD:
            for name in ("mean", "sd", "median", "q1", "q3", "min", "max"):
                found = shown.get("score", name, center_group(center_id))
                assert found is not None
                assert (found.value, found.ci_low, found.ci_high, found.n) == (None, None, None, None)
    hidden = [c for c in CENTERS if sizes[c] and shown.get("score", "mean", center_group(c)).value is None]  # type: ignore[union-attr]
    total = shown.get("score", "mean")
    if total is not None and total.value is not None and hidden:
        assert sum(sizes[c] for c in hidden) >= THRESHOLD


def test_the_attack_itself_succeeds_where_nothing_is_hidden_but_small_counts() -> None:
    people = (
        [Patient("a", "major", 3.0)] * 2 + [Patient("a", "minor", 3.0)] * 7 + [Patient("b", "none", 1.0)] * 9
    )
    truth = figures(people)
    small = frozenset(
        Cell(r.group, quantity_of(r, kind))
        for r in truth
        for kind, count in result_counts(r).items()
        if 0 < count < THRESHOLD
    )
    only_small = Disclosure(shared_audience(THRESHOLD), frozenset(), small, frozenset())
    attacker = attacker_of(truth, only_small.results(truth))
    assert attacker.range_of(("major", "center=a")) == (2, 2)


def hidden_of(*by_center: int) -> list[int]:
    """The hidden counts of centers whose total is shown, too."""
    cells = [Cell(center_group(c), "x") for c in CENTERS[: len(by_center)]]
    counts = {**dict(zip(cells, by_center, strict=True)), Cell(ALL, "x"): sum(by_center)}
    found = hidden_cells(counts, [Sum(Cell(ALL, "x"), tuple(cells))], THRESHOLD)
    return sorted(counts[cell] for cell in found)


@pytest.mark.parametrize(
    ("by_center", "hidden"),
    [
        ((3, 50), [3, 50]),  # the total stays, the other center goes
        ((3, 4, 50), [3, 4]),  # two small ones protect each other
        ((1, 1, 50), [1, 1, 50]),  # but not when their sum leaves too little room
        ((0, 3, 50), [3, 50]),  # a zero is shown and protects nobody
        ((0, 0, 3), [3, 3]),  # a small total is small
        ((9, 50), []),
    ],
)
def test_centers_protect_each_other(by_center: tuple[int, ...], hidden: list[int]) -> None:
    assert hidden_of(*by_center) == hidden


def test_a_table_of_two_ways_is_protected_in_both() -> None:
    by_center = {"center=a": (2, 20, 30), "center=b": (40, 50, 60)}
    parts = {
        Cell(group, name): n for group, row in by_center.items() for name, n in zip("xyz", row, strict=True)
    }
    centers = {Cell(group, "total"): sum(row) for group, row in by_center.items()}
    kinds = {Cell(ALL, name): sum(n for cell, n in parts.items() if cell.quantity == name) for name in "xyz"}
    sums = [Sum(total, tuple(cell for cell in parts if cell.group == total.group)) for total in centers]
    sums += [Sum(total, tuple(cell for cell in parts if cell.quantity == total.quantity)) for total in kinds]
    grand = Cell(ALL, "total")
    sums += [Sum(grand, tuple(centers)), Sum(grand, tuple(kinds))]
    counts = {**parts, **centers, **kinds, grand: sum(parts.values())}
    # 2 with 20 in its center, 40 with 50 in the other: a cycle, and every total stays.
    hidden = hidden_cells(counts, sums, THRESHOLD)
    assert {(cell.group, parts.get(cell)) for cell in hidden} == {
        ("center=a", 2), ("center=a", 20), ("center=b", 40), ("center=b", 50),
    }  # fmt: skip


def test_the_flow_hides_what_was_kept_when_few_were_excluded() -> None:
    rows = [
        {"center_id": "a", "step_order": 2, "kept": 60, "excluded": 3, "reason": "not completed"},
        {"center_id": "b", "step_order": 2, "kept": 40, "excluded": 9, "reason": "not completed"},
    ]
    known = KnownCounts()
    known.add_flow(rows)
    found = disclose(shared_audience(THRESHOLD), [], {}, known)
    shown = found.rows(rows, "kept", "excluded")
    assert [(row["kept"], row["excluded"]) for row in shown] == [(None, None), (None, None)]
    assert found.shows("center=a", 63)
    assert found.shows(ALL, 100, 112, 12)


def test_numbers_at_risk_do_not_tell_how_few_left_between() -> None:
    at_risk = {f"at_risk_{months}m": count for months, count in ((12, 20), (24, 18))}
    truth = [
        MetricResult.of(source("control", ALL), Estimate(statistic=name, value=float(count), n=28))
        for name, count in at_risk.items()
    ]  # fmt: skip
    shown = disclose(shared_audience(THRESHOLD), truth, PART_OF).results(truth)
    assert [result.value for result in shown] == [20.0, None]


def test_notes_that_quote_counts_are_not_shared() -> None:
    result = replace(
        figures([Patient("a", "none", 1.0)] * 20)[0], note="3 of 23 without a value left out; kept"
    )
    (shown,) = disclose(shared_audience(THRESHOLD), [result], {}).results([result])
    assert (shown.value, shown.note) == (20.0, "kept")


def curve(*points: tuple[float, int, int]) -> list[dict[str, Any]]:
    """Rows of a curve from its points: months, at risk, events."""
    return [
        {"group": ALL, "months": months, "estimate": 1 - 0.01 * number, "at_risk": at_risk, "events": events,
         "competing": 0, "censored": 1}
        for number, (months, at_risk, events) in enumerate(points)
    ]  # fmt: skip


def test_a_shared_curve_moves_in_steps_of_many_events_and_ends_where_few_are_at_risk() -> None:
    rows = curve((0, 30, 0), (3, 28, 2), (5, 24, 2), (6, 20, 1), (9, 15, 0), (12, 10, 4), (20, 4, 6))
    shown = disclose(shared_audience(THRESHOLD), [], {}).curve(rows)
    assert [row["months"] for row in shown] == [0, 6, 9]
    assert {row[name] for row in shown for name in ("at_risk", "events", "censored")} == {None}
    assert disclose(TEAM, [], {}).curve(rows) == rows


def test_the_curve_of_a_small_group_is_empty() -> None:
    assert disclose(shared_audience(THRESHOLD), [], {}).curve(curve((0, 4, 0), (3, 3, 1))) == []


def test_what_compares_groups_is_hidden_with_any_of_them() -> None:
    people = (
        [Patient("a", "minor", 1.0)] * 3
        + [Patient("a", "none", 1.0)] * 20
        + [Patient("b", "minor", 1.0)] * 20
    )
    truth = figures(people)
    compared = replace(next(r for r in truth if r.metric == "minor"), group="centers=a,b",
                       statistic="p_fisher", value=0.04,
                       n=43, numerator=None, denominator=None)  # fmt: skip
    disclosure = disclose(shared_audience(THRESHOLD), [*truth, compared], PART_OF)
    assert disclosure.result(compared).value is None
    assert disclosure.result(compared).note == SUPPRESSED


def test_categories_of_one_center_are_for_the_team() -> None:
    (found,) = statistics.proportion(30, 60)
    of_all = MetricResult.of(source("tumor", ALL), replace(found, statistic="proportion[lung]"))
    of_center = replace(of_all, group="center=a")
    disclosure = disclose(shared_audience(THRESHOLD), [of_all, of_center], {})
    assert [result.value for result in disclosure.results([of_all, of_center])] == [0.5, None]


def test_the_team_sees_everything(results: Results) -> None:
    truth = list(results)
    assert disclose(TEAM, truth, {}).results(truth) == truth


def test_a_threshold_that_hides_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="hides nothing"):
        shared_audience(1)


def small_numbers(shown: Sequence[MetricResult]) -> Iterator[tuple[str, str, str, float]]:
    for r in shown:
        for number in (r.n, r.numerator, r.denominator):
            if number and number < THRESHOLD:
                yield r.metric, r.group, r.statistic, number


def test_the_cohort_is_shared_without_a_small_count_and_keeps_its_headline_figures(
    published: Warehouse, results: Results
) -> None:
    truth = list(results)
    flow = cohort_flow(published.rows(read_sql(OUTCOMES / "tables" / "flow.sql")))
    known, team_only = KnownCounts(), team_metrics(load_metrics())
    known.add_flow(flow)
    disclosure = disclose(shared_audience(THRESHOLD), truth, part_metrics(load_metrics()), known, team_only)
    shown = Results(disclosure.results(truth))
    assert list(small_numbers(list(shown))) == []
    for metric, statistic in [("patients", "count"), ("lesions", "count"), ("complications", "count"),
                              ("nprs_last", "mean"), ("pain_free_last", "proportion")]:  # fmt: skip
        found = shown.get(metric, statistic)
        assert found is not None
        assert found.value is not None, metric
    for metric in ("complications_major", "complications_minor"):
        hidden = shown.get(metric, "proportion")
        assert hidden is not None
        assert (hidden.value, hidden.numerator, hidden.ci_low) == (None, None, None), metric
    assert {r.value for r in shown if r.metric in team_only} == {None}
    overall = [r.note == SUPPRESSED for r in shown if r.group == ALL and r.metric not in team_only]
    assert sum(overall) < len(overall) / 4


def test_the_flow_leaves_the_team_as_the_sizes_of_the_cohort_without_reasons() -> None:
    rows = [
        {"center_id": "a", "step_order": order, "step": step, "unit": unit, "kept": kept, "excluded": out,
         "reason": why}
        for order, step, unit, kept, out, why in [
            (1, "procedures found", "procedure", 90, 0, None), (2, "completed", "procedure", 86, 4, "undone"),
            (7, "patients", "patient", 70, 0, None), (10, "painful", "patient", 58, 9, "score 0"),
            (10, "painful", "patient", 58, 3, "no score"), (15, "scores found", "score", 200, 0, None),
        ]
    ]  # fmt: skip
    told = [(row["step"], row["kept"], row["excluded"], row["reason"]) for row in cohort_flow(rows)]
    assert told == [("patients", 70, 0, None), ("painful", 58, 12, "for any reason")]
    known = KnownCounts()
    known.add_flow(cohort_flow(rows))
    disclosure = disclose(shared_audience(THRESHOLD), [], {}, known)
    # 3 and 9 by reason would have hidden the 58; 12 for any reason does not.
    assert disclosure.shows("center=a", 70, 58, 12)


def test_what_is_for_the_team_alone_hides_nothing_else() -> None:
    of_all = [MetricResult.of(source("seen", ALL), e) for e in statistics.count(58)]
    strata = [MetricResult.of(source("strata", ALL), e)
              for e in statistics.proportion(58, 60, statistic="proportion[mild]")]  # fmt: skip
    disclosure = disclose(shared_audience(THRESHOLD), of_all + strata, {}, None, frozenset({"strata"}))
    first, second = disclosure.results(of_all + strata)
    assert (first.value, second.value, second.n, second.denominator) == (58.0, None, None, None)
    both = disclose(shared_audience(THRESHOLD), of_all + strata, {})
    assert both.results(of_all)[0].value is None
