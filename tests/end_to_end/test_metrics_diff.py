"""Two nights, and between them everything that moves a figure: the diff says what moved it and why."""

import re
from typing import Any

from service.centers import ReconcileDemand
from service.metrics import diff
from service.sync import sync_night
from tests.end_to_end.conftest import Study
from tests.end_to_end.test_cli import cryocohort
from tests.end_to_end.test_deletions import delete, scores


def score_of(study: Study, key: str) -> dict[str, Any]:
    return study.get("a", f"Observation/{key}")


def with_score(resource: dict[str, Any], score: int) -> dict[str, Any]:
    return resource | {"valueQuantity": resource["valueQuantity"] | {"value": score}}


def causes(study: Study, earlier: int, later: int, metric: str) -> tuple[set[str], dict[str, set[str]]]:
    """What a metric depends on that changed, and the causes of its changed rows by resource."""
    (change,) = [c for c in diff(study.settings, earlier, later) if c.metric == metric]
    rows: dict[str, set[str]] = {}
    for row in change.rows:
        rows.setdefault(row.resource_key, set()).add(row.cause)
    return set(change.causes), rows


def replaced(study: Study, file: str, old: str, new: str) -> None:
    path = study.config / file
    text = path.read_text(encoding="utf-8")
    assert re.search(old, text)
    path.write_text(re.sub(old, new, text), encoding="utf-8")


def test_a_diff_tells_what_moved_a_figure_and_why(study: Study) -> None:
    study.sync()
    first = study.refresh().run_id
    corrected, joined, deleted = scores(study, "a")[:3]
    study.put("a", with_score(score_of(study, corrected), 10))
    study.put("a", with_score(score_of(study, joined), 10) | {"id": "late-score"})
    delete(study, "a", f"Observation/{deleted}")
    sync_night(study.night, ReconcileDemand(is_forced=True))
    second = study.refresh().run_id
    inputs, rows = causes(study, first, second, "nprs_24h")
    assert inputs == set()
    assert rows[f"a/{corrected}"] == {"correction"}
    assert rows["a/late-score"] == {"late data"}
    assert rows[f"a/{deleted}"] == {"deletion"}
    assert "local_control" not in {change.metric for change in diff(study.settings, first, second)}

    shown = cryocohort("metrics", "diff", str(first), str(second), "--config", str(study.config))
    assert shown.returncode == 0
    assert "correction: Observation " in shown.stdout
    assert corrected not in shown.stdout
    last = shown.stdout.splitlines()[-1]
    assert f"moved from run {first} to run {second}; " in last
    assert {"correction: 1 resource", "late data: 1 resource", "deletion: 1 resource"} <= set(
        last.split("; ")
    )
    assert "p_wilcoxon: < 0.0001 (n 64) became < 0.0001 (n " in shown.stdout
    (published,) = study.mart(
        "SELECT resource_key FROM core.pain_timeline WHERE time_point = '24h' AND score = 10 "
        "AND center_id = 'a' ORDER BY resource_key LIMIT 1"
    )
    assert published["resource_key"] in shown.stdout

    replaced(study, "cryocohort.toml", "h24_to_hours = 48", "h24_to_hours = 13")
    third = study.refresh().run_id
    inputs, rows = causes(study, second, third, "nprs_24h")
    assert inputs == {"configuration: h24_to_hours from 48 to 13"}
    assert {cause for found in rows.values() for cause in found} == {"configuration"}

    replaced(study, "cryocohort.toml", "h24_to_hours = 13", "h24_to_hours = 48")
    study.refresh()
    replaced(study, "centers/a/codes/adverse_events.csv", r"(?m)^urn:oid:1\.2\.250\.1\.999\.2,.*\n", "")
    fifth = study.refresh().run_id
    inputs, rows = causes(study, second, fifth, "complications_minor")
    assert inputs == {"code list: center a"}
    assert {cause for found in rows.values() for cause in found} == {"code list"}


def test_a_run_that_changes_nothing_writes_nothing_and_moves_nothing(study: Study) -> None:
    study.sync()
    first = study.refresh().run_id
    counted = "SELECT count(*) AS rows, max(from_run) AS newest FROM ops.row_history"
    (before,) = study.work(counted)
    assert before["rows"] > 0
    second = study.refresh().run_id
    assert study.work(counted) == [before]
    assert diff(study.settings, first, second) == []
    assert study.work("SELECT count(*) AS n FROM ops.run_input WHERE from_run > ?", [first]) == [{"n": 0}]


def test_a_run_without_figures_is_refused_with_those_that_have_them(study: Study) -> None:
    study.sync()
    second = study.refresh().run_id
    refused = cryocohort("metrics", "diff", "1", str(second), "--config", str(study.config))
    assert refused.returncode == 14
    assert f"Name runs that did: {second}." in refused.stderr


def test_the_history_of_a_metric_has_a_line_a_run(study: Study) -> None:
    study.sync()
    runs = [study.refresh().run_id, study.refresh().run_id]
    shown = cryocohort("metrics", "history", "patients", "--csv", "--config", str(study.config))
    lines = [line.split(",") for line in shown.stdout.splitlines()[1:]]
    assert [(int(line[0]), line[3], float(line[4])) for line in lines] == [
        (run, "count", 74.0) for run in runs
    ]
    refused = cryocohort("metrics", "history", "nonsense", "--config", str(study.config))
    assert refused.returncode == 2


def test_every_metric_is_listed() -> None:
    shown = cryocohort("metrics", "list")
    assert "pain_free_last" in shown.stdout
