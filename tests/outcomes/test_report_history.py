import datetime as dt
from dataclasses import replace
from typing import Any

from outcomes.disclosure import TEAM, disclose
from outcomes.metric import load_metrics
from outcomes.report.facts import Published
from outcomes.report.history import HEADLINES, has_moved, runs, whole
from outcomes.report.provenance import history
from outcomes.report.summary import tiles
from outcomes.results import Results

PATIENTS, PAIN_FREE = HEADLINES[0], next(h for h in HEADLINES if h.metric == "pain_free_last")


def row(run_id: int, metric: str, statistic: str, value: float | None, **more: Any) -> dict[str, Any]:
    empty = dict.fromkeys(("ci_low", "ci_high", "n", "numerator", "denominator"))
    day = dt.datetime(2026, 11, run_id, 2, tzinfo=dt.UTC)
    found = {"run_id": run_id, "started_at": day, "metric": metric, "statistic": statistic, "value": value}
    return {**found, **empty, **more}


ROWS = [
    row(1, "patients", "count", 73.0),
    row(1, "pain_free_last", "proportion", 0.5, numerator=32, denominator=64),
    row(2, "patients", "count", 74.0),
    row(2, "pain_free_last", "proportion", 0.5, numerator=32, denominator=64),
    row(2, "age", "median", 61.0),
]


def published(rows: list[dict[str, Any]]) -> Published:
    metrics = {metric.metric: metric for metric in load_metrics()}
    return Published(Results([]), metrics, {"history": rows, "checks": []}, 2, disclose(TEAM, [], {}))


def test_runs_are_told_in_their_order_with_the_headline_figures_alone() -> None:
    first, second = runs(list(reversed(ROWS)))
    assert (first.run_id, first.day, second.run_id) == (1, dt.date(2026, 11, 1), 2)
    assert set(second.figures) == {PATIENTS, PAIN_FREE}


def test_a_tile_says_what_the_figure_was_only_where_it_moved() -> None:
    patients, pain_free = tiles(published(ROWS))
    assert (patients.value, patients.has_moved, patients.change) == ("74", True, "was 73")
    assert (pain_free.value, pain_free.detail, pain_free.change) == ("50.0%", "32 of 64", "")


def test_the_same_share_of_other_numbers_has_moved() -> None:
    before, now = runs(ROWS)
    other = replace(
        now, figures={PAIN_FREE: row(2, "pain_free_last", "proportion", 0.5, numerator=33, denominator=66)}
    )
    assert has_moved(PAIN_FREE, before, other)
    assert not has_moved(PAIN_FREE, before, now)


def test_a_figure_that_cannot_be_assessed_is_a_dash() -> None:
    assert whole(PAIN_FREE, row(1, "pain_free_last", "proportion", None)) == "\N{EN DASH}"
    assert whole(PAIN_FREE, None) == "\N{EN DASH}"


def test_a_single_run_has_a_table_and_no_trend() -> None:
    assert [part.kind for part in history(published(ROWS[:2])).parts] == ["table"]
    assert [part.kind for part in history(published(ROWS)).parts] == ["plot", "table"]
