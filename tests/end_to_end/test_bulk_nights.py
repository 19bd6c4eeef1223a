"""A center read by export, or from a folder, comes to the same figures as by search, night after night."""

import dataclasses
import datetime as dt
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from outcomes.results import MetricResult
from service.centers import ReconcileDemand
from service.sync import sync_night
from tests.end_to_end.conftest import Night1, Study, now
from tests.end_to_end.test_nights import SCORE, chart_of, copied, landed

Figures = dict[tuple[str, str, str], dict[str, Any]]


def read_by(study: Study, center_id: str, mode: str, **changes: tuple[str, str]) -> None:
    """Configure how a center is read."""
    path = study.config / "centers" / center_id / "center.toml"
    text = path.read_text(encoding="utf-8")
    for old, new in [('mode = "search"', f'mode = "{mode}"'), *changes.values()]:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def figures(results: Iterable[MetricResult]) -> Figures:
    """Every figure with interval, counts and method, but for the number of its run."""
    return {
        (each.metric, each.statistic, each.group): dataclasses.asdict(each) | {"run_id": 0}
        for each in results
    }


def assert_same(study: Study, first_night: Night1) -> None:
    expected, found = figures(first_night.refreshed.results), figures(study.refresh().results)
    assert found.keys() == expected.keys()
    assert {key: each for key, each in found.items() if each != expected[key]} == {}
    core, expected_core = _without_run(study.core()), _without_run(first_night.study.core())
    assert [name for name in expected_core if core[name] != expected_core[name]] == []
    assert len(expected) > 200


def _without_run(core: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    return {
        name: sorted(({**row, "run_id": 0} if "run_id" in row else row for row in rows), key=repr)
        for name, rows in core.items()
    }


def exported(study: Study, center_id: str, folder: Path) -> Path:
    """A whole export of a demo server in a folder, as a hospital would hand it over."""
    folder.mkdir()
    base = study.servers.urls[center_id]
    kick_off = urllib.request.Request(f"{base}/Patient/$export", headers={"Prefer": "respond-async"})  # noqa: S310
    with urllib.request.urlopen(kick_off, timeout=30) as answer:  # noqa: S310
        status_url = answer.headers["Content-Location"]
    manifest = None
    while manifest is None:
        with urllib.request.urlopen(status_url, timeout=30) as answer:  # noqa: S310
            manifest = json.load(answer) if answer.status == 200 else None
    for number, file in enumerate(file for kind in ("output", "error") for file in manifest[kind]):
        with urllib.request.urlopen(file["url"], timeout=30) as answer:  # noqa: S310
            (folder / f"{number}.ndjson").write_bytes(answer.read())
        file["url"] = f"{number}.ndjson"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.mark.parametrize("group", ["", "all"])
def test_a_center_read_by_export_comes_to_the_same_figures_and_core_rows(
    study: Study, first_night: Night1, group: str
) -> None:
    read_by(study, "b", "bulk", group=('group = ""', f'group = "{group}"'))
    report = study.sync()
    assert [center.status for center in report.centers] == ["complete", "complete"]
    asked = [path for _, path, _ in study.servers.b.log]
    assert asked.count(f"/fhir/Group/{group}/$export" if group else "/fhir/Patient/$export") == 1
    assert not any(path.endswith("_search") for path in asked)
    assert_same(study, first_night)


def test_with_type_filters_less_comes_and_the_figures_are_the_same(study: Study, first_night: Night1) -> None:
    for center_id in ("a", "b"):
        read_by(study, center_id, "bulk", filters=("type_filter = false", "type_filter = true"))
    study.sync()
    assert all(("POST", "/fhir/Patient/$export", 202) in server.log for server in _servers(study))
    assert_same(study, first_night)


def _servers(study: Study) -> tuple[Any, Any]:
    return study.servers.a, study.servers.b


def test_a_center_read_from_a_folder_comes_to_the_same_figures_and_core_rows(
    study: Study, first_night: Night1
) -> None:
    read_by(study, "a", "ndjson", folder=('folder = "inbox"', 'folder = "../../../inbox"'))
    exported(study, "a", study.folder / "inbox")
    requests = len(study.servers.a.log)
    report = study.sync()
    assert [center.status for center in report.centers] == ["complete", "complete"]
    assert len(study.servers.a.log) == requests  # the server itself is not asked
    assert_same(study, first_night)
    assert landed(study.sync()) == {"a": {}, "b": {}}


def test_a_second_export_lands_nothing_and_a_corrected_score_lands_alone(study: Study) -> None:
    read_by(study, "a", "bulk")
    study.sync()
    study.refresh()
    assert landed(study.sync()) == {"a": {}, "b": {}}
    (chosen,) = study.work(SCORE)
    score = study.get("a", f"Observation/{chosen['pain_score_key'].removeprefix('a/')}")
    score["valueQuantity"]["value"] = chosen["score"] - 2
    study.put("a", score | {"status": "corrected"})
    assert landed(study.sync()) == {"a": {"Observation": 1}, "b": {}}


def test_old_history_of_a_new_patient_comes_by_a_second_export(study: Study) -> None:
    read_by(study, "a", "bulk")
    study.sync()
    (member,) = study.work("SELECT min(patient_id) AS id FROM ops.cohort_member WHERE center_id = 'a'")
    chart = copied(chart_of(study, member["id"]), "old-")
    ablations = [r for r in chart if r["resourceType"] == "Procedure" and "partOf" not in r]
    study.servers.a.load([r for r in chart if r not in ablations], now() - dt.timedelta(days=700))
    assert landed(study.sync()) == {"a": {}, "b": {}}
    for resource in ablations:
        study.put("a", resource)
    before = len(study.servers.a.log)
    assert sum(landed(study.sync())["a"].values()) == len(chart)
    kick_offs = [entry for entry in study.servers.a.log[before:] if entry[1].endswith("$export")]
    assert kick_offs == [("GET", "/fhir/Patient/$export", 202), ("POST", "/fhir/Patient/$export", 202)]


def test_what_an_export_lists_as_deleted_leaves_the_warehouse(study: Study) -> None:
    read_by(study, "a", "bulk")
    study.sync()
    study.refresh()
    (chosen,) = study.work(SCORE)
    address = f"Observation/{chosen['pain_score_key'].removeprefix('a/')}"
    url = f"{study.servers.urls['a']}/{address}"
    with urllib.request.urlopen(urllib.request.Request(url, method="DELETE"), timeout=30) as answer:  # noqa: S310
        assert answer.status == 204
    report = study.sync()
    assert landed(report) == {"a": {}, "b": {}}
    assert dict(report.centers[0].departed) == {"Observation": 1}
    reasons = study.work("SELECT resource_type || '/' || resource_id AS key, reason FROM ops.departure")
    assert reasons == [{"key": address, "reason": "bulk"}]
    assert dict(study.sync().centers[0].departed) == {}


@pytest.mark.row(59)
def test_what_a_whole_export_lacks_leaves_the_figures_when_deletions_are_looked_for(study: Study) -> None:
    """A whole export lists no deletions: what it lacks is asked for by its id."""
    read_by(study, "a", "bulk")
    study.sync()
    study.refresh()
    (chosen,) = study.work(SCORE)
    address = f"Observation/{chosen['pain_score_key'].removeprefix('a/')}"
    url = f"{study.servers.urls['a']}/{address}"
    with urllib.request.urlopen(urllib.request.Request(url, method="DELETE"), timeout=30) as answer:  # noqa: S310
        assert answer.status == 204
    before = len(study.servers.a.log)
    report = sync_night(study.night, ReconcileDemand(is_forced=True))
    assert [dict(center.departed) for center in report.centers] == [{"Observation": 1}, {}]
    assert study.work("SELECT reason FROM ops.departure") == [{"reason": "deleted"}]
    asked = [(method, path) for method, path, _ in study.servers.a.log[before:]]
    assert [entry for entry in asked if entry[1].endswith("$export")] == [("GET", "/fhir/Patient/$export")]
    assert [entry for entry in asked if entry[1].endswith(address)] == [("GET", f"/fhir/{address}")]


def test_a_process_killed_while_the_server_works_takes_the_same_export_up(study: Study) -> None:
    read_by(study, "b", "bulk")
    command = [sys.executable, "-m", "service", "sync", "--config", str(study.config)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not any("$export-status" in path for _, path, _ in study.servers.b.log):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL
    assert [row["center_id"] for row in study.work("SELECT center_id FROM ops.export")] == ["b"]
    study.sync()
    kick_offs = [path for _, path, _ in study.servers.b.log if path.endswith("$export")]
    assert len(kick_offs) == 1
    assert study.work("SELECT center_id FROM ops.export") == []
    assert study.work("SELECT count(*) AS n FROM ops.cohort_member WHERE center_id = 'b'")[0]["n"] > 25
