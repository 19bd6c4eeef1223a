"""Every figure of a release as tidy files: one row a statistic, the same rows as CSV, JSON and Parquet.

What users of R (gtsummary, cards), Quarto and pandas read at once: `metric` is the variable, `group` and
`statistic` say which figure of it, `value` is unrounded. Title and unit of the metric stand in each row.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from outcomes.metric import Metric
from outcomes.report.page import write_private
from outcomes.results import MetricResult
from warehouse.parquet import parquet_bytes

FORMS = (".csv", ".json", ".parquet")


def figure_rows(results: Sequence[MetricResult], metrics: Sequence[Metric]) -> list[dict[str, Any]]:
    """The rows: what the results are, with title and unit of their metric."""
    known = {metric.metric: metric for metric in metrics}
    return [
        {
            **asdict(result),
            "title": known[result.metric].title if result.metric in known else None,
            "unit": known[result.metric].unit if result.metric in known else None,
        }
        for result in results
    ]


def write_figures(results: Sequence[MetricResult], metrics: Sequence[Metric], beside: Path) -> list[Path]:
    """Write the figures under the name of `beside`, with the ending of each form (0600)."""
    rows = figure_rows(results, metrics)
    text = json.dumps(rows, ensure_ascii=False, indent=1) + "\n"
    contents: tuple[str | bytes, ...] = (_csv(rows), text, parquet_bytes(rows))
    targets = [beside.with_suffix(form) for form in FORMS]
    for target, content in zip(targets, contents, strict=True):
        write_private(target, content)
    return targets


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO(newline="")
    lines = csv.DictWriter(text, [*MetricResult.__slots__, "title", "unit"], lineterminator="\n")
    lines.writeheader()
    lines.writerows(rows)
    return text.getvalue()
