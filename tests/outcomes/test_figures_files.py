"""The figures as files: the same rows in every form, unrounded, for the owner alone."""

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
from outcomes_testbed import stored

from outcomes.figures import figure_rows, write_figures
from outcomes.metric import load_metrics
from outcomes.results import MetricResult
from warehouse.connection import Warehouse


def test_every_form_holds_every_figure_unrounded(published: Warehouse, tmp_path: Path) -> None:
    results, metrics = stored(published), load_metrics()
    rows = figure_rows(results, metrics)
    as_csv, as_json, as_parquet = write_figures(results, metrics, tmp_path / "report.html")
    assert [path.name for path in (as_csv, as_json, as_parquet)] == [
        "report.csv",
        "report.json",
        "report.parquet",
    ]
    assert len(rows) == len(results)
    assert json.loads(as_json.read_text(encoding="utf-8")) == rows
    assert pq.read_table(as_parquet).to_pylist() == rows
    with as_csv.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert lines == [{name: "" if v is None else str(v) for name, v in row.items()} for row in rows]
    assert {path.stat().st_mode & 0o777 for path in (as_csv, as_json, as_parquet)} == {0o600}


def test_a_figure_of_a_metric_that_is_no_more_has_no_title(published: Warehouse) -> None:
    (row, *_) = figure_rows(stored(published), [])
    assert (row["title"], row["unit"]) == (None, None)
    assert set(MetricResult.__slots__) < set(row)


def test_no_figures_are_files_too(tmp_path: Path) -> None:
    as_csv, as_json, as_parquet = write_figures([], load_metrics(), tmp_path / "report.html")
    assert as_csv.read_text(encoding="utf-8").startswith("run_id,metric,")
    assert json.loads(as_json.read_text(encoding="utf-8")) == []
    assert pq.read_table(as_parquet).num_rows == 0
