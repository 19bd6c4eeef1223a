"""Whole nights in which something was deleted: it leaves the figures, and only as far as it should."""

import json
import urllib.request
from typing import Any

import pytest

from mappings.errors import ConfigError
from service.centers import ReconcileDemand
from service.sync import SyncReport, sync_night
from tests.end_to_end.conftest import Study, value
from tests.end_to_end.test_cli import cryocohort

CENTERS = ("a", "b")
RECONCILED = ReconcileDemand(is_forced=True)


def reconcile(study: Study) -> SyncReport:
    return sync_night(study.night, RECONCILED)


def departed(report: SyncReport) -> dict[str, dict[str, int]]:
    return {center.center_id: dict(center.departed) for center in report.centers}


def delete(study: Study, center_id: str, path: str) -> None:
    request = urllib.request.Request(f"{study.servers.urls[center_id]}/{path}", method="DELETE")  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        assert answer.status in (200, 204)


def scores(study: Study, center_id: str) -> list[str]:
    """Ids of 24 h scores that count at a center."""
    rows = study.work(
        "SELECT pain_score_key AS key FROM core.pain_timeline INNER JOIN core.patient USING (patient_key) "
        "WHERE time_point = '24h' AND is_painful AND core.patient.center_id = ? ORDER BY key",
        [center_id],
    )
    return [row["key"].removeprefix(f"{center_id}/") for row in rows]


def n_24h(results: Any) -> int | None:
    (found,) = [r for r in results if (r.metric, r.statistic, r.group) == ("nprs_24h", "mean", "all")]
    counted: int | None = found.n
    return counted


def test_with_nothing_deleted_nothing_leaves_and_no_core_row_changes(study: Study) -> None:
    study.sync()
    study.refresh()
    before = study.core()
    assert departed(reconcile(study)) == {"a": {}, "b": {}}
    study.refresh()
    assert study.core() == before


@pytest.mark.row(59)
@pytest.mark.parametrize("center", CENTERS)
def test_a_deleted_score_leaves_the_figures(study: Study, center: str) -> None:
    study.sync()
    before = n_24h(study.refresh().results) or 0
    delete(study, center, f"Observation/{scores(study, center)[0]}")
    report = reconcile(study)
    assert departed(report) == {"a": {}, "b": {}} | {center: {"Observation": 1}}
    assert n_24h(study.refresh().results) == before - 1


@pytest.mark.row(64)
def test_a_merged_patient_counts_for_the_survivor_while_the_merge_lasts(study: Study) -> None:
    study.sync()
    before = value(study.refresh().results, "patients", "count")
    first, second = (
        row["id"]
        for row in study.work(
            "SELECT replace(patient_key, 'a/', '') AS id FROM core.patient WHERE center_id = 'a' "
            "ORDER BY patient_key LIMIT 2"
        )
    )
    patient = study.get("a", f"Patient/{first}")
    other = {"reference": f"Patient/{second}", "display": "CANARY"}
    study.put("a", patient | {"link": [{"other": other, "type": "replaced-by"}]})
    study.sync()
    refreshed = study.refresh()
    links = study.work("SELECT patient_key, survivor_patient_key, problem FROM core.patient_link")
    assert links == [{"patient_key": f"a/{first}", "survivor_patient_key": f"a/{second}", "problem": None}]
    check = next(each for each in refreshed.checks if each.check == "patient_links")
    assert check.violations == 0
    assert study.work("FROM core.patient WHERE patient_key = ?", [f"a/{first}"]) == []
    assert value(refreshed.results, "patients", "count") == before - 1
    raw = study.settings.warehouse_folder / "raw"
    bodies = study.work("SELECT body FROM read_parquet(?)", [f"{raw}/a/Patient/*/*.parquet"])
    assert not any("CANARY" in row["body"] for row in bodies)

    study.put("a", patient)
    study.sync()
    assert value(study.refresh().results, "patients", "count") == before
    assert study.work("FROM core.patient_link") == []


@pytest.mark.row(60)
def test_an_operator_is_told_what_to_run_and_the_command_does_it(study: Study) -> None:
    study.sync()
    study.refresh()
    ids = scores(study, "a")[:21]
    assert len(ids) == 21
    for each in ids:
        delete(study, "a", f"Observation/{each}")
    config = str(study.config)
    held = cryocohort("sync", "--reconcile", "--config", config)
    assert held.returncode == 12
    assert "cryocohort sync --accept-deletions a" in held.stderr
    assert study.work("FROM ops.departure") == []
    done = cryocohort("sync", "--accept-deletions", "a", "--config", config)
    assert done.returncode == 0, done.stderr
    told = next(line.split() for line in done.stdout.splitlines() if line.split()[:2] == ["a", "Observation"])
    assert told[7] == "21"  # the column `deleted`
    reconciled = study.work(
        "SELECT DISTINCT center_id, is_limit_lifted FROM ops.reconciliation WHERE run_id = 4"
    )
    assert reconciled == [{"center_id": "a", "is_limit_lifted": True}]


def test_a_center_that_is_not_configured_is_exit_10(study: Study) -> None:
    ended = cryocohort("sync", "--accept-deletions", "c", "--config", str(study.config))
    assert ended.returncode == 10
    assert "a, b" in ended.stderr
    with pytest.raises(ConfigError):
        sync_night(study.night, ReconcileDemand(accepted=frozenset({"c"})))
    assert json.dumps(departed(study.sync())) == '{"a": {}, "b": {}}'
