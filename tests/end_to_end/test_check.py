"""`cryocohort check` as an operator uses it: a process of its own, against the demo's two servers."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from service.run import open_warehouse
from tests.end_to_end.conftest import Night1, Study
from tests.end_to_end.test_cli import cryocohort

FINE, FAILED = "\N{CHECK MARK}", "\N{BALLOT X}"


def check(config: Path, *options: str) -> tuple[int, str]:
    ended = cryocohort("check", "--config", str(config), *options)
    assert ended.stderr == ""
    return ended.returncode, ended.stdout


def told(config: Path, *options: str) -> dict[str, Any]:
    code, text = check(config, "--json", *options)
    found: dict[str, Any] = json.loads(text)
    assert found["exit_code"] == code
    return found


def test_both_demo_servers_are_fit_for_a_night_before_there_is_a_warehouse(study: Study) -> None:
    code, table = check(study.config)
    assert code == 0
    assert "0 failed" in table
    assert not (study.folder / "data").exists()
    for center_id in ("a", "b"):
        assert re.search(rf"(?m)^{FINE}  {center_id}\s+Procedure \(cohort\)\s+\d+ by \d+ codes", table)


def test_what_the_demo_servers_say_of_themselves_is_told(study: Study) -> None:
    servers = told(study.config)["servers"]
    assert {each: facts["capability"]["fhir_version"] for each, facts in servers.items()} == {
        "a": "4.0.1",
        "b": "5.0.0",
    }
    for facts in servers.values():
        assert facts["capability"]["software"] == "cryocohort demo server"
        assert facts["smart"] is None
        assert len(facts["searches"]) == 7
        assert [search["resource_type"] for search in facts["searches"] if search["unasked"]] == []
        assert {each["mapped"] <= each["codings"] for each in facts["codes"]} == {True}


def test_counts_are_those_of_the_night(first_night: Night1) -> None:
    """The cohort search of a check finds what the cohort search of a sync found."""
    found = told(first_night.study.config, "--center", "b")
    assert list(found["servers"]) == ["b"]
    (counted,) = [each["count"] for each in found["servers"]["b"]["searches"] if each["step"] == "cohort"]
    (synced,) = first_night.study.work(
        "SELECT received FROM ops.step WHERE center_id = 'b' AND resource_type = 'Procedure' "
        "ORDER BY finished_at LIMIT 1"
    )
    assert counted == synced["received"]


def test_after_a_night_warehouse_lock_and_release_are_told(first_night: Night1) -> None:
    findings = told(first_night.study.config)["findings"]
    found = {each["subject"]: each for each in findings if not each["center"]}
    assert {subject: each["state"] for subject, each in found.items()} == {
        "configuration": "ok",
        "disk": "ok",
        "lock": "ok",
        "warehouse": "ok",
        "release": "ok",
        "pseudonyms": "ok",
    }
    assert found["release"]["seen"].startswith("release 1, published ")


def test_a_dead_center_is_exit_12_and_the_other_one_is_checked(study: Study) -> None:
    path = study.config / "centers" / "a" / "center.toml"
    text = path.read_text(encoding="utf-8").replace(study.servers.a_url, "http://127.0.0.1:9/fhir")
    path.write_text(text, encoding="utf-8")
    code, table = check(study.config)
    assert code == 12
    assert len(re.findall(f"(?m)^{FAILED}", table)) == 1
    assert "check that the server is up" in table
    assert re.search(rf"(?m)^{FINE}  b\s+paging", table)


@pytest.mark.parametrize(
    ("options", "code", "word"),
    [(["--center", "nobody"], 10, "Name one of: a, b"), (["--center"], 2, "requires an argument")],
)
def test_wrong_usage_is_told_on_standard_error(
    study: Study, options: list[str], code: int, word: str
) -> None:
    ended = cryocohort("check", "--config", str(study.config), *options)
    assert (ended.returncode, ended.stdout) == (code, "")
    assert word in ended.stderr


def test_a_missing_configuration_is_one_failed_line(tmp_path: Path) -> None:
    found = told(tmp_path)
    assert found["exit_code"] == 10
    assert [each["state"] for each in found["findings"]] == ["failed", "skipped"]
    assert "cryocohort.toml: the file cannot be read" in found["findings"][0]["seen"]


def test_a_check_during_a_run_leaves_the_run_alone(study: Study) -> None:
    """The warehouse is held by this process, as by a night; then it is free and was never disturbed."""
    with open_warehouse(study.settings) as warehouse:
        found = {each["subject"]: each for each in told(study.config)["findings"]}
        assert "process" in found["lock"]["seen"]
        assert found["warehouse"]["state"] == "skipped"
        assert warehouse.rows("SELECT count(*) AS n FROM ops.run") == [{"n": 0}]


def test_of_a_center_that_hands_over_files_the_folder_is_looked_at_and_no_server(study: Study) -> None:
    file = study.config / "centers" / "a" / "center.toml"
    text = re.sub(r'(?m)^base_url = "[^"]*"', 'base_url = "http://127.0.0.1:9/fhir"', file.read_text())
    file.write_text(text.replace('mode = "search"', 'mode = "ndjson"'))

    def folder() -> tuple[str, str, int]:
        found = told(study.config, "--center", "a")
        assert found["servers"] == {}
        (line,) = [each for each in found["findings"] if each["subject"] == "folder"]
        return line["state"], line["seen"], found["exit_code"]

    state, seen, code = folder()
    assert (state, code) == ("failed", 10)
    assert seen.endswith("inbox is not a folder.")
    inbox = file.parent / "inbox"
    inbox.mkdir()
    assert folder()[0::2] == ("failed", 12)
    (inbox / "Patient.ndjson").write_text("")
    assert folder() == ("ok", "1 files of resources; no server is asked", 0)
    listed = [{"type": each, "url": f"https://files/{each}.ndjson"} for each in ("Patient", "Procedure")]
    manifest = {"transactionTime": "2026-01-01T00:00:00Z", "output": listed, "error": [], "request": "x"}
    (inbox / "manifest.json").write_text(json.dumps(manifest | {"requiresAccessToken": False}))
    assert folder() == ("failed", "Center a: 1 files that manifest.json lists are not in the folder.", 12)
