"""The report: one self-contained HTML file from the published mart, and a CSV of every figure beside it.

No scripts, no addresses, nothing to fetch: the page's own policy forbids all of it, and everything that came
from a center is escaped. It prints well, so that it can go into a trial folder.
"""

import csv
import datetime as dt
import io
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

from jinja2 import Environment, PackageLoader, StrictUndefined

from mappings.errors import WarehouseError
from outcomes.metric import load_metrics
from outcomes.refresh import read_sql
from outcomes.report_sections import PAIN_TIMES, Published, sections, tiles
from outcomes.report_tables import groups
from outcomes.results import MetricResult, Results


class Mart(Protocol):
    """What the report needs of a published release: read-only queries."""

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """The rows of one query, as dictionaries."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CenterFacts:
    """A center as the head of the report shows it.

    `read_at` is the end of its last complete sync, `is_complete` whether its newest sync was complete.
    """

    center_id: str
    name: str
    fhir_version: str
    read_at: dt.datetime | None
    is_complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFacts:
    """What the report says about itself and cannot read from the mart."""

    study: str
    data_lock: dt.date
    version: str
    release: int
    generated_at: dt.datetime
    centers: Sequence[CenterFacts]
    is_synthetic: bool


def write_report(mart: Mart, target: Path, facts: ReportFacts) -> Path:
    """Write the report to `target` (mode 0600, replaced in one step) and return its path."""
    write_private(target, render(mart, facts))
    return target


def write_figures(mart: Mart, target: Path) -> Path:
    """Write every figure of the published run, unrounded, as a CSV with one line a statistic."""
    rows = mart.rows(_table_sql("results"))
    text = io.StringIO(newline="")
    lines = csv.DictWriter(text, MetricResult.__slots__, lineterminator="\n")
    lines.writeheader()
    lines.writerows(rows)
    write_private(target, text.getvalue())
    return target


def render(mart: Mart, facts: ReportFacts) -> str:
    """The report as HTML text; raises WarehouseError when the mart holds no results."""
    published = _read(mart)
    centers = groups([(center.center_id, center.name) for center in facts.centers])
    environment = Environment(
        loader=PackageLoader("outcomes"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("report.html.j2")
    return page.render(
        facts=facts,
        run_id=published.run_id,
        tiles=tiles(published.results),
        sections=sections(published, centers),
    )


def write_private(target: Path, text: str) -> None:
    """Write `text` beside `target` with mode 0600, flush it to disk and move it into place."""
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _read(mart: Mart) -> Published:
    metrics = {metric.metric: metric for metric in load_metrics()}
    results = [MetricResult.from_row(row) for row in mart.rows(_table_sql("results"))]
    if not results:
        raise WarehouseError(
            "The published release holds no results.", "Run `cryocohort refresh`, then report again."
        )
    names = ("flow", "patients", "lesions", "complications", "checks", "unmapped", "rules")
    rows = {name: mart.rows(_table_sql(name)) for name in names}
    plotted = (*(metric for _, metric in PAIN_TIMES), "local_control_survival")
    rows |= {name: mart.rows(metrics[name].sql) for name in plotted}
    return Published(Results(results), metrics, rows, results[0].run_id)


def _table_sql(name: str) -> str:
    return read_sql(files("outcomes") / "tables" / f"{name}.sql")
