"""Whole nights on HAPI R4 and HAPI R5 by `$export`: the same figures, changes, deletions, new patients."""

from pathlib import Path
from typing import Any

import pytest
import requests

from tests.servers.conftest import Expected, Hapi, assert_same
from tests.servers.gateway import Gateway, serving
from tests.servers.server_study import ServerStudy, landed, make_study, stock
from tests.servers.test_hapi_changes import chart_of, chosen_score, copied, kept, lowered, mean_24h

pytestmark = pytest.mark.servers
PAINFUL = 64
QUICK = ("longest_poll_seconds = 600", "longest_poll_seconds = 1")  # HAPI asks for two minutes
GROUP = "cryocohort-all"


def make_export_study(folder: Path, urls: dict[str, str], *changes: tuple[str, str]) -> ServerStudy:
    """A study that reads both centers by export."""
    study = make_study(folder, urls)
    for file in folder.glob("config/centers/*/center.toml"):
        text = file.read_text(encoding="utf-8")
        for old, new in [('mode = "search"', 'mode = "bulk"'), QUICK, *changes]:
            assert text.count(old) == 1
            text = text.replace(old, new)
        file.write_text(text, encoding="utf-8")
    return study


@pytest.fixture
def by_export(tmp_path: Path, hapi: Hapi) -> ServerStudy:
    return make_export_study(tmp_path, hapi.urls)


def test_by_export_every_figure_and_every_core_row_is_the_same(
    by_export: ServerStudy, expected: Expected
) -> None:
    report = by_export.sync()
    assert [(center.status, center.reasons) for center in report.centers] == [("complete", ())] * 2
    assert_same(by_export, expected)
    assert by_export.work("FROM ops.export") == []
    assert landed(by_export.sync()) == {"a": {}, "b": {}}


def test_by_export_with_type_filters_every_figure_is_the_same(
    tmp_path: Path, hapi: Hapi, expected: Expected
) -> None:
    """The codes go along by POST; HAPI understands them."""
    filters = ("type_filter = false", "type_filter = true")
    a, b = Gateway(hapi.a.port), Gateway(hapi.b.port)
    with serving(a) as a_url, serving(b) as b_url:
        study = make_export_study(tmp_path, {"a": a_url, "b": b_url}, filters)
        study.sync()
    for gateway in (a, b):
        kick_offs = [(method, path) for method, path in gateway.seen if path.endswith("$export")]
        assert kick_offs == [("POST", "/fhir/Patient/$export")]
    assert_same(study, expected)


def test_by_export_of_a_group_every_figure_is_the_same(
    tmp_path: Path, hapi: Hapi, expected: Expected
) -> None:
    for center in ("a", "b"):
        patients = [each["id"] for each in stock(center).valid if each["resourceType"] == "Patient"]
        hapi.http(center).put(group_of(center, patients))
    try:
        study = make_export_study(tmp_path, hapi.urls, ('group = ""', f'group = "{GROUP}"'))
        study.sync()
        assert_same(study, expected)
    finally:
        for center in ("a", "b"):
            url = f"{hapi.urls[center]}/Group/{GROUP}"
            assert requests.delete(url, timeout=60).status_code in {200, 204}


def group_of(center: str, patients: list[str]) -> dict[str, Any]:
    member = [{"entity": {"reference": f"Patient/{each}"}} for each in patients]
    kind = {"actual": True} if center == "a" else {"membership": "enumerated"}
    return {"resourceType": "Group", "id": GROUP, "type": "person", **kind, "member": member}


def test_by_export_a_corrected_score_lands_alone_and_a_deleted_one_leaves_when_it_is_compared(
    by_export: ServerStudy, hapi: Hapi
) -> None:
    """HAPI lists no deletions in its manifest: an export of everything, and reads by id, tell of them."""
    by_export.sync()
    before = by_export.figures()
    key = chosen_score(by_export)["pain_score_key"].removeprefix("a/")
    other = next(
        each
        for each in stock("a").valid
        if each["resourceType"] == "Observation" and each["id"] != key and "valueQuantity" in each
    )
    server = hapi.http("a")
    with kept(server, f"Observation/{key}") as observation:
        server.put(lowered(observation, 2))
        server.delete([other])
        try:
            report = by_export.sync()
            held = _heads(by_export, other)
            compared = by_export.reconcile()
            left = _heads(by_export, other)
        finally:
            server.put(other)
    assert [center.status for center in report.centers] == ["complete", "complete"]
    assert landed(report) == {"a": {"Observation": 1}, "b": {}}
    assert mean_24h(by_export.figures()) == pytest.approx(mean_24h(before) - 2 / PAINFUL)
    assert (held, left) == (1, 0)
    assert [dict(center.departed) for center in compared.centers] == [{"Observation": 1}, {}]
    assert [center.status for center in compared.centers] == ["complete", "complete"]
    reasons = by_export.work("SELECT resource_id, reason FROM ops.departure")
    assert reasons == [{"resource_id": other["id"], "reason": "deleted"}]


def _heads(study: ServerStudy, resource: dict[str, Any]) -> int:
    """How many current versions a resource has."""
    sql = "SELECT resource_id FROM ops.head WHERE center_id = 'a' AND resource_id = ?"
    return len(study.work(sql, [resource["id"]]))


def test_by_export_a_new_patient_lands_with_the_whole_history(by_export: ServerStudy, hapi: Hapi) -> None:
    """The second export names the patient by POST; HAPI understands that."""
    by_export.sync()
    by_export.refresh()
    patient_id = chosen_score(by_export)["patient_key"].removeprefix("a/")
    server = hapi.http("a")
    chart = copied(chart_of(by_export, server, patient_id), "bulk-")
    assert server.load(chart) == len(chart) > 5
    try:
        assert sum(landed(by_export.sync())["a"].values()) == len(chart)
        assert landed(by_export.sync()) == {"a": {}, "b": {}}
    finally:
        server.delete(chart)


def test_habits_of_its_export_that_nothing_here_depends_on(hapi: Hapi) -> None:
    """No counts, no deletions, `_since` and unknown parameters ignored for patients, DELETE answers 404."""
    base = hapi.urls["a"]
    headers = {"Accept": "application/fhir+json", "Prefer": "respond-async", "Cache-Control": "no-cache"}
    asked = {"_type": "Patient", "_since": "2090-01-01T00:00:00Z", "_bogus": "1"}
    accepted = requests.get(f"{base}/Patient/$export", params=asked, headers=headers, timeout=60)
    assert accepted.status_code == 202
    status_url = accepted.headers["Content-Location"]
    answer = requests.get(status_url, timeout=60)
    assert (answer.status_code, answer.headers["Retry-After"]) == (202, "120")
    while answer.status_code == 202:
        answer = requests.get(status_url, timeout=60)
    manifest = answer.json()
    assert set(manifest) == {"transactionTime", "request", "requiresAccessToken", "output", "error"}
    assert manifest["requiresAccessToken"] is True
    assert set(manifest["output"][0]) == {"type", "url"}
    file = requests.get(
        manifest["output"][0]["url"], headers={"Accept": "application/fhir+ndjson"}, timeout=60
    )
    patients = [each for each in stock("a").valid if each["resourceType"] == "Patient"]
    assert len(file.content.splitlines()) == len(patients)
    assert requests.delete(status_url, timeout=60).status_code == 404
