"""What moved between two runs, and why: each metric with the rows that changed beneath it and their causes.

Causes: late data (a resource first landed after the earlier run, dated before it), new data, correction (a
new version of a resource), deletion, another resource of the same patient, code list, configuration (a window
or another rule), definition (of a metric or a table), product version.
"""

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from outcomes.metric import Metric
from outcomes.results import MetricResult
from warehouse.tables import TableFile
from warehouse.trace import TracedTable
from warehouse.traced import ChangedInput, ChangedRow, RunTrace

Change = Literal["added", "removed", "changed"]

# A row's own date: what happened to the patient, not when we heard of it.
_DATES = ("treated_date", "scored_date", "assessed_date", "occurred_date", "contact_date", "session_date",
          "first_treated_date", "index_date")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Moved:
    """A figure that differs between two runs; a run that did not compute it has None."""

    metric: str
    group: str
    statistic: str
    before: MetricResult | None
    after: MetricResult | None


@dataclass(frozen=True, slots=True)
class RowChange:
    """A row beneath a metric that changed, the resource it comes from, and why it changed."""

    table: str
    center_id: str
    resource_type: str
    resource_key: str
    change: Change
    columns: tuple[str, ...]
    cause: str


@dataclass(frozen=True, slots=True)
class MetricChange:
    """A metric whose figures moved: the figures, what else it was computed with, and the rows beneath it."""

    metric: str
    figures: tuple[Moved, ...]
    causes: tuple[str, ...]
    rows: tuple[RowChange, ...]


def metric_changes(
    earlier: Sequence[MetricResult],
    later: Sequence[MetricResult],
    trace: RunTrace,
    metrics: Sequence[Metric],
    cohorts: Sequence[TableFile],
) -> list[MetricChange]:
    """Every metric with a figure that differs between two runs, by name."""
    moved = _moved(earlier, later)
    by_name = {metric.metric: metric for metric in metrics}
    changed_patients = {row.patient_key for row in trace.rows if row.event != "unchanged"}
    changes = []
    for name in sorted({figure.metric for figure in moved}):
        figures = tuple(figure for figure in moved if figure.metric == name)
        scope = _Scope.of(by_name[name], cohorts) if name in by_name else None
        rows = [row for row in trace.rows if scope is not None and scope.counts(row)]
        changes.append(
            MetricChange(
                name,
                figures,
                (*_definitions(figures), *_inputs(by_name.get(name), scope, rows, trace.inputs)),
                tuple(_row_change(row, scope, trace, changed_patients) for row in rows if scope is not None),
            )
        )
    return changes


def traced_tables(
    metrics: Sequence[Metric], cohorts: Sequence[TableFile], core: Sequence[TableFile]
) -> list[TracedTable]:
    """The core tables that metrics read, themselves or through a cohort: those whose rows are traced."""
    needed = {table for metric in metrics for table in _Scope.of(metric, cohorts).tables}
    return [
        TracedTable(file.header.table, tuple(file.header.key)) for file in core if file.header.table in needed
    ]


@dataclass(frozen=True, slots=True)
class _Scope:
    """The tables a metric reads, itself or through its cohorts, and the text of what reads them."""

    tables: frozenset[str]
    words: frozenset[str]
    reads_all_columns: bool

    @classmethod
    def of(cls, metric: Metric, cohorts: Sequence[TableFile]) -> "_Scope":
        tables, texts = set(metric.needs), [metric.sql]
        for cohort in reversed(cohorts):
            if cohort.header.table in tables:
                tables |= set(cohort.header.needs)
                texts.append(cohort.body)
        text = "\n".join(texts)
        return cls(frozenset(tables), frozenset(re.findall(r"\w+", text)), bool(re.search(r"\.\*|\*,", text)))

    def counts(self, row: ChangedRow) -> bool:
        """Whether the metric can see a change of the row: it came or went, or a column it reads changed."""
        return row.table in self.tables and bool(self.columns(row))

    def columns(self, row: ChangedRow) -> tuple[str, ...]:
        """The changed columns that the metric reads."""
        if row.before is None or row.after is None or self.reads_all_columns:
            return tuple(sorted(row.columns))
        return tuple(sorted(row.columns & self.words))


def _moved(earlier: Sequence[MetricResult], later: Sequence[MetricResult]) -> list[Moved]:
    before, after = _by_key(earlier), _by_key(later)
    return [
        Moved(*key, before.get(key), after.get(key))
        for key in sorted(before.keys() | after.keys())
        if _figure(before.get(key)) != _figure(after.get(key))
    ]


def _by_key(results: Iterable[MetricResult]) -> dict[tuple[str, str, str], MetricResult]:
    return {(r.metric, r.group, r.statistic): r for r in results}


def _figure(result: MetricResult | None) -> tuple[object, ...] | None:
    if result is None:
        return None
    return (
        result.value,
        result.ci_low,
        result.ci_high,
        result.n,
        result.numerator,
        result.denominator,
        result.version,
    )


def _definitions(figures: Sequence[Moved]) -> list[str]:
    if all(f.before is None for f in figures):
        return [f"definition: a new metric, version {figures[0].after and figures[0].after.version}"]
    if all(f.after is None for f in figures):
        return ["definition: the metric is no longer computed"]
    versions = {
        (f.before.version, f.after.version) for f in figures if f.before is not None and f.after is not None
    }
    return [
        f"definition: version {before} became {after}"
        for before, after in sorted(versions, key=str)
        if before != after
    ]


def _inputs(
    metric: Metric | None, scope: _Scope | None, rows: Sequence[ChangedRow], inputs: Sequence[ChangedInput]
) -> list[str]:
    """The causes that no resource tells: those inputs of the runs that this metric depends on."""
    centers = {row.center_id for row in rows if row.event == "unchanged"}
    found = []
    for each in inputs:
        match each.kind:
            case "rule" if metric is None or not metric.rules or each.name in metric.rules:
                found.append(f"configuration: {each.name} from {each.before} to {each.after}")
            case "codes" if each.name in centers:
                found.append(f"code list: center {each.name}")
            case "table" if scope is None or each.name in scope.tables:
                found.append(f"definition: {each.name}")
            case "product":
                found.append(f"product: version {each.before} became {each.after}")
    return found


def _row_change(
    row: ChangedRow, scope: _Scope | None, trace: RunTrace, changed_patients: Iterable[str]
) -> RowChange:
    change: Change = "added" if row.before is None else "removed" if row.after is None else "changed"
    columns = scope.columns(row) if scope is not None and change == "changed" else ()
    cause = _cause(row, trace, changed_patients)
    return RowChange(row.table, row.center_id, row.resource_type, row.resource_key, change, columns, cause)


def _cause(row: ChangedRow, trace: RunTrace, changed_patients: Iterable[str]) -> str:
    match row.event:
        case "left":
            return "deletion"
        case "new version":
            return "correction"
        case "first landed":
            day = _date(row.after or row.before or {})
            return "late data" if day is not None and day < trace.earlier_started_at.date() else "new data"
    if row.patient_key in changed_patients:
        return "another resource of the same patient"
    kinds = {each.kind for each in trace.inputs if each.kind != "codes" or each.name == row.center_id}
    names = {"rule": "configuration", "codes": "code list", "table": "definition", "product": "product"}
    found = [name for kind, name in names.items() if kind in kinds]
    return " or ".join(found) or "another resource"


def _date(content: Mapping[str, object]) -> dt.date | None:
    for name in _DATES:
        if content.get(name) is not None:
            return dt.date.fromisoformat(str(content[name])[:10])
    return None
