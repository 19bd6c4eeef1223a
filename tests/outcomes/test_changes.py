"""Why a figure moved, from what two runs left in the ledger."""

import datetime as dt
from dataclasses import replace

from outcomes.changes import metric_changes
from outcomes.metric import load_metrics
from outcomes.refresh import read_cohorts
from outcomes.results import Estimate, MetricResult, Source
from warehouse.traced import ChangedInput, ChangedRow, RunTrace

START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
METRICS, COHORTS = load_metrics(), read_cohorts()


def result(metric: str, value: float, version: int = 1) -> MetricResult:
    source = Source(run_id=1, metric=metric, version=version, group="all", rules="")
    return MetricResult.of(source, Estimate(statistic="mean", value=value, n=64))


SCORE = ChangedRow(
    table="core.pain_timeline", row_key="p last", center_id="a", patient_key="a/p",
    resource_type="Observation", resource_key="a/o", before=None, after={"score": 3, "day_from_index": 400},
    event="first landed",
)  # fmt: skip


def causes(
    row: ChangedRow, *inputs: ChangedInput, metric: str = "nprs_last"
) -> tuple[tuple[str, ...], list[str]]:
    trace = RunTrace([row], inputs, START)
    (change,) = metric_changes([result(metric, 1.0)], [result(metric, 2.0)], trace, METRICS, COHORTS)
    return change.causes, [found.cause for found in change.rows]


def test_a_new_definition_of_a_metric_is_told() -> None:
    trace = RunTrace([], [], START)
    (change,) = metric_changes(
        [result("nprs_last", 1.0)], [result("nprs_last", 1.0, version=2)], trace, METRICS, COHORTS
    )
    assert change.causes == ("definition: version 1 became 2",)


def test_a_metric_that_is_new_or_gone_is_told() -> None:
    trace, some = RunTrace([], [], START), [result("nprs_last", 1.0, version=3)]
    (new,) = metric_changes([], some, trace, METRICS, COHORTS)
    (gone,) = metric_changes(some, [], trace, METRICS, COHORTS)
    assert new.causes == ("definition: a new metric, version 3",)
    assert gone.causes == ("definition: the metric is no longer computed",)


def test_a_resource_dated_after_the_earlier_run_is_new_and_before_it_late() -> None:
    new = replace(SCORE, after={"score": 3, "scored_date": "2026-03-05"})
    assert causes(new) == ((), ["new data"])
    assert causes(replace(SCORE, after={"score": 3, "scored_date": "2020-03-05"})) == ((), ["late data"])


def test_a_row_of_another_table_or_column_is_not_told() -> None:
    assert causes(replace(SCORE, table="core.complication")) == ((), [])
    unread = replace(SCORE, before={"score": 3, "n_same_day": 1}, after={"score": 3, "n_same_day": 2})
    assert causes(unread) == ((), [])


def test_a_row_may_move_through_another_resource_of_its_patient() -> None:
    moved = replace(SCORE, before={"score": 3}, after={"score": 2}, event="unchanged")
    other = replace(SCORE, table="core.patient", resource_type="Patient", event="new version")
    trace = RunTrace([moved, other], [], START)
    (change,) = metric_changes(
        [result("nprs_last", 1.0)], [result("nprs_last", 2.0)], trace, METRICS, COHORTS
    )
    assert "another resource of the same patient" in [row.cause for row in change.rows]


def test_the_product_and_a_table_that_counts_are_told() -> None:
    moved = replace(SCORE, before={"score": 3}, after={"score": 2}, event="unchanged")
    product = ChangedInput("product", "cryocohort", "0.1.0", "0.2.0")
    table = ChangedInput("table", "core.pain_timeline", "x", "y")
    unread = ChangedInput("table", "core.complication", "x", "y")
    found, _ = causes(moved, product, table, unread)
    assert found == ("product: version 0.1.0 became 0.2.0", "definition: core.pain_timeline")
