"""A metric that computes something else has another version: a figure never moves for an unsaid reason.

metric_versions.csv keeps, for each version of each metric, a digest of what is computed: kind of statistic,
options, the SELECT statement, and those of the cohorts it reads. After raising `version` in the header, add
the line that the failing test prints; lines of older versions stay.
"""

import csv
import hashlib
import json
from pathlib import Path

import pytest

from outcomes.metric import Metric, load_metrics
from warehouse.sqlfile import TableHeader, read_sql_folder

OPTIONS = {"statistic", "cluster", "interval", "family", "horizons_months", "rules"}
LEDGER = Path(__file__).with_name("metric_versions.csv")
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


def ledger() -> dict[tuple[str, int], str]:
    with LEDGER.open(encoding="utf-8", newline="") as file:
        return {(line["metric"], int(line["version"])): line["digest"] for line in csv.DictReader(file)}


@pytest.mark.parametrize("metric", load_metrics(), ids=lambda metric: metric.metric)
def test_a_metric_computes_what_its_version_always_computed(metric: Metric) -> None:
    line = f"{metric.metric},{metric.version},{digest(metric)}"
    known = ledger().get((metric.metric, metric.version))
    assert known is not None, f"a new version: add the line {line} to {LEDGER.name}"
    assert known == digest(metric), (
        f"raise the version of {metric.metric}, then add its line to {LEDGER.name}"
    )


def test_a_changed_statement_or_cohort_or_option_has_another_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    (metric,) = [m for m in load_metrics() if m.metric == "local_control_survival"]
    before = digest(metric)
    assert digest(metric.model_copy(update={"sql": metric.sql.replace("has_progressed", "TRUE")})) != before
    assert digest(metric.model_copy(update={"horizons_months": (12,)})) != before
    assert digest(metric.model_copy(update={"title": "Another", "sql": f"{metric.sql}\n"})) == before
    body = COHORTS["outcomes.curative_lesion"].body
    changed = type(COHORTS["outcomes.curative_lesion"])(
        "curative_lesion.sql", COHORTS["outcomes.curative_lesion"].header, body.replace("curative", "any")
    )
    monkeypatch.setitem(COHORTS, "outcomes.curative_lesion", changed)
    assert digest(metric) != before


def test_versions_only_go_up_and_have_no_gap() -> None:
    versions: dict[str, list[int]] = {}
    for metric, version in ledger():
        versions.setdefault(metric, []).append(version)
    current = {metric.metric: metric.version for metric in load_metrics()}
    for name, found in versions.items():
        assert sorted(found) == list(range(min(found), max(found) + 1))
        assert name not in current or current[name] == max(found)
