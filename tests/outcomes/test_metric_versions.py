"""A metric that computes something else has another version: a figure never moves for an unsaid reason.

metric_versions.csv keeps, for each version of each metric, a digest of its file: kind of statistic, options,
the SELECT statement, and those of the cohorts it reads. metric_figures.csv keeps what that version gave for
the synthetic cohort, so that a changed statistic cannot hide behind an unchanged file.

After raising `version` in a header, `python tests/outcomes/test_metric_versions.py` adds the lines of the
versions that are not there yet; it never changes a line.
"""

import csv
import hashlib
import json
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from outcomes_testbed import RUN, fill_core

from outcomes.metric import Metric, load_metrics
from outcomes.refresh import refresh
from outcomes.results import ALL, MetricResult, Results
from warehouse.connection import Warehouse
from warehouse.sqlfile import TableHeader, read_sql_folder

HERE = Path(__file__).parent
VERSIONS, FIGURES = HERE / "metric_versions.csv", HERE / "metric_figures.csv"
VERSION_COLUMNS = ("metric", "version", "digest")
FIGURE_COLUMNS = ("metric", "version", "statistic", "value", "ci_low", "ci_high")
OPTIONS = {"statistic", "cluster", "interval", "family", "horizons_months", "rules"}
COHORTS = {
    file.header.table: file
    for file in read_sql_folder(Path(__file__).parents[2] / "outcomes" / "cohorts", TableHeader)
}


def digest(metric: Metric) -> str:
    """Whitespace and words of the header do not count; what gives other numbers does."""
    options = metric.model_dump(include=OPTIONS)
    statements = [metric.sql, *(COHORTS[table].body for table in cohorts(metric.needs))]
    text = json.dumps([options, [" ".join(statement.split()) for statement in statements]], sort_keys=True)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def cohorts(needs: tuple[str, ...] | list[str]) -> list[str]:
    found = {table for table in needs if table in COHORTS}
    return sorted(found | {inner for table in found for inner in cohorts(COHORTS[table].header.needs)})


@cache
def versions() -> dict[tuple[str, int], str]:
    return {(line["metric"], int(line["version"])): line["digest"] for line in lines(VERSIONS)}


@cache
def figures() -> dict[tuple[str, int], dict[str, dict[str, str]]]:
    found: dict[tuple[str, int], dict[str, dict[str, str]]] = {}
    for line in lines(FIGURES):
        found.setdefault((line["metric"], int(line["version"])), {})[line["statistic"]] = line
    return found


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("metric", load_metrics(), ids=lambda metric: metric.metric)
def test_a_metric_is_what_its_version_always_was(metric: Metric) -> None:
    known = versions().get((metric.metric, metric.version))
    assert known is not None, "a new version: see the head of this file"
    assert known == digest(metric), f"the file of {metric.metric} computes something else: raise its version"


@pytest.mark.parametrize("metric", load_metrics(), ids=lambda metric: metric.metric)
def test_a_metric_gives_what_its_version_always_gave(metric: Metric, results: Results) -> None:
    """A statistic may be added; one that is there keeps its value. Chance and optimizers: five digits."""
    for statistic, line in figures()[metric.metric, metric.version].items():
        found = results.get(metric.metric, statistic)
        assert found is not None, f"{statistic} is gone: raise the version of {metric.metric}"
        for column in ("value", "ci_low", "ci_high"):
            number = getattr(found, column)
            expected = float(line[column]) if line[column] else None
            assert number == (None if expected is None else pytest.approx(expected, rel=1e-5, abs=1e-9)), (
                f"{statistic}, {column}: raise the version of {metric.metric}"
            )


def test_a_changed_statement_or_cohort_or_option_has_another_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    (metric,) = [m for m in load_metrics() if m.metric == "local_control_survival"]
    before = digest(metric)
    assert digest(metric.model_copy(update={"sql": metric.sql.replace("has_progressed", "TRUE")})) != before
    assert digest(metric.model_copy(update={"horizons_months": (12,)})) != before
    assert digest(metric.model_copy(update={"title": "Another", "sql": f"{metric.sql}\n"})) == before
    cohort = COHORTS["outcomes.curative_lesion"]
    changed = type(cohort)(cohort.name, cohort.header, cohort.body.replace("curative", "any"))
    monkeypatch.setitem(COHORTS, "outcomes.curative_lesion", changed)
    assert digest(metric) != before


def test_versions_only_go_up_and_have_no_gap() -> None:
    found: dict[str, list[int]] = {}
    for metric, version in versions():
        found.setdefault(metric, []).append(version)
    current = {metric.metric: metric.version for metric in load_metrics()}
    for name, numbers in found.items():
        assert sorted(numbers) == list(range(min(numbers), max(numbers) + 1))
        assert name not in current or current[name] == max(numbers)


def computed() -> list[MetricResult]:
    with (
        tempfile.TemporaryDirectory() as folder,
        Warehouse.open(Path(folder) / "warehouse") as warehouse,
        warehouse.transaction() as tx,
    ):
        fill_core(tx)
        return [result for result in refresh(tx, RUN) if result.group == ALL]


def figure_lines(metric: Metric, found: list[MetricResult]) -> Iterator[list[object]]:
    for result in sorted(found, key=lambda r: r.statistic):
        if result.metric == metric.metric:
            numbers = (result.value, result.ci_low, result.ci_high)
            texts = ["" if number is None else f"{number:.8g}" for number in numbers]
            yield [metric.metric, metric.version, result.statistic, *texts]


def add_new_versions() -> None:
    found = computed()
    new = [metric for metric in load_metrics() if (metric.metric, metric.version) not in versions()]
    with VERSIONS.open("a", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([m.metric, m.version, digest(m)] for m in new)
    with FIGURES.open("a", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(line for m in new for line in figure_lines(m, found))


if __name__ == "__main__":
    add_new_versions()
