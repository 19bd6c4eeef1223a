"""A check of what all centers share and of what a center is configured with; and what it tells."""

import datetime as dt
import json
import os
import re
import stat
from dataclasses import asdict
from pathlib import Path

import duckdb
import pytest

from mappings.errors import ConfigError
from service.doctor import as_json
from tests.ingest.examples import observation
from tests.ingest.loopback import START, outcome
from tests.service.clinic import (
    GIGABYTE,
    Clinic,
    failures,
    own_view,
    searches,
    without_status,
)
from warehouse.connection import Warehouse
from warehouse.lock import FolderLock
from warehouse.look import WORK_FILE
from warehouse.pseudonym import key_fingerprint


def test_a_center_in_order_has_no_failure(clinic: Clinic) -> None:
    checkup = clinic.check()
    assert failures(checkup) == []
    assert checkup.exit_code == 0
    assert {each.center for each in checkup.findings} == {"", "a"}
    assert not clinic.data.exists()


def test_an_unknown_center_is_a_wrong_configuration(clinic: Clinic) -> None:
    with pytest.raises(ConfigError, match="No center is called c"):
        clinic.check("c")


def test_a_configuration_that_cannot_be_read_hides_everything_else(clinic: Clinic) -> None:
    clinic.set("page_size", "0")
    checkup = clinic.check(None)
    assert failures(checkup) == [("configuration", 10)]
    assert [each.state for each in checkup.findings] == ["failed", "skipped"]
    assert "search.page_size" in checkup.findings[0].seen


def test_a_folder_that_cannot_be_written_is_a_failure(clinic: Clinic) -> None:
    clinic.data.touch()
    checkup = clinic.check()
    assert failures(checkup) == [("disk", 14)]
    assert checkup.servers["a"].searches


@pytest.mark.parametrize(("free", "state"), [(0.1, "failed"), (0.5, "warning"), (2, "ok")])
def test_the_disk_needs_room_for_a_second_copy(clinic: Clinic, free: float, state: str) -> None:
    clinic.free = int(free * GIGABYTE)
    found = clinic.found("disk")
    assert (found.state, found.exit_code) == (state, 14 if state == "failed" else 0)


def test_a_lock_that_cannot_be_read_is_a_failure(clinic: Clinic) -> None:
    (clinic.data / "lock").mkdir(parents=True)
    assert failures(clinic.check())[0] == ("lock", 14)


def test_a_run_that_holds_the_warehouse_is_no_failure_and_is_not_disturbed(clinic: Clinic) -> None:
    Warehouse.open(clinic.data).close()
    lock = FolderLock.acquire(clinic.data)
    try:
        checkup = clinic.check()
    finally:
        lock.release()
    found = {each.subject: each for each in checkup.findings}
    assert str(os.getpid()) in found["lock"].seen
    assert (found["lock"].state, found["warehouse"].state) == ("ok", "skipped")
    assert checkup.exit_code == 0


def test_a_warehouse_that_can_be_used_is_right(clinic: Clinic) -> None:
    Warehouse.open(clinic.data).close()
    assert clinic.found("warehouse").state == "ok"


@pytest.mark.parametrize("fault", ["readable by others", "damaged", "newer"])
def test_a_warehouse_that_cannot_be_used_is_a_failure(clinic: Clinic, fault: str) -> None:
    Warehouse.open(clinic.data).close()
    file = clinic.data / WORK_FILE
    if fault == "readable by others":
        file.chmod(0o644)
    elif fault == "damaged":
        file.write_bytes(b"x" * 10_000)
    else:
        with duckdb.connect(str(file)) as connection:
            connection.execute("INSERT INTO ops.schema_migration VALUES (99, 'later', 'f', now()::TIMESTAMP)")
    assert failures(clinic.check()) == [("warehouse", 14)]


def released(clinic: Clinic, hours_ago: int, key_fingerprint: str = "") -> Path:
    path = clinic.data / "marts" / "releases" / "1"
    path.mkdir(parents=True)
    (clinic.data / "marts" / "current").symlink_to("releases/1")
    duckdb.connect(str(path / "mart.duckdb")).close()
    published = (START - dt.timedelta(hours=hours_ago)).isoformat()
    prints = {"a": key_fingerprint} if key_fingerprint else {}
    manifest = {"release": 1, "published_at": published, "key_fingerprints": prints, "sha256": {}}
    (path / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    return path


@pytest.mark.parametrize(("hours_ago", "state"), [(5, "ok"), (100, "warning")])
def test_a_release_older_than_the_schedule_allows_is_told(clinic: Clinic, hours_ago: int, state: str) -> None:
    released(clinic, hours_ago)
    found = clinic.found("release")
    assert found.state == state
    assert ("4 days ago" if hours_ago == 100 else "5 h ago") in found.seen


def test_a_release_that_is_not_whole_is_a_failure(clinic: Clinic) -> None:
    (released(clinic, 5) / "mart.duckdb").unlink()
    assert failures(clinic.check()) == [("release", 14)]


def test_a_key_that_is_not_that_of_the_last_release_is_a_failure(clinic: Clinic) -> None:
    key = clinic.config / "centers" / "a" / "pseudonym.key"
    released(clinic, 5, key_fingerprint(key.read_bytes()))
    assert clinic.found("pseudonyms").state == "ok"
    key.write_bytes(bytes(32))
    found = clinic.found("pseudonyms")
    assert (found.state, found.exit_code) == ("failed", 10)
    assert "--accept-key a" in found.next_step


@pytest.mark.parametrize("fault", ["missing", "readable by others", "short"])
def test_a_key_that_is_unfit_is_a_failure_and_the_server_is_still_asked(clinic: Clinic, fault: str) -> None:
    key = clinic.a / "pseudonym.key"
    if fault == "missing":
        key.unlink()
    elif fault == "short":
        key.write_bytes(b"k" * 31)
    else:
        key.chmod(0o644)
    checkup = clinic.check()
    assert failures(checkup) == [("secrets", 10)]
    assert checkup.servers["a"].searches


def test_without_its_credentials_a_server_is_not_asked(clinic: Clinic) -> None:
    clinic.set("kind", '"bearer"\ntoken_file = "token"')
    assert failures(clinic.check()) == [("secrets", 10)]
    assert clinic.server.seen == []


def test_code_files_with_errors_are_a_failure_and_stop_the_searches(clinic: Clinic) -> None:
    file = clinic.a / "codes" / "procedures.csv"
    file.write_text(file.read_text("utf-8").replace("26782000,Cryotherapy,equal", "nothing,x,equal"), "utf-8")
    checkup = clinic.check()
    assert failures(checkup) == [("code files", 10)]
    assert ("searches", "skipped") in [(each.subject, each.state) for each in checkup.findings]


def test_a_view_that_cannot_be_compiled_is_a_failure(clinic: Clinic) -> None:
    own_view(clinic, "patient", lambda view: view["select"][0]["column"][1].update(path="gendre"))
    assert failures(clinic.check()) == [("views", 10), ("sample", 10)]


def test_the_json_is_one_object_with_stable_keys(clinic: Clinic) -> None:
    told = json.loads(as_json(clinic.check()))
    assert list(told) == ["ok", "exit_code", "checked_at", "findings", "servers"]
    assert {tuple(each) for each in told["findings"]} == {
        ("center", "subject", "state", "seen", "next_step", "exit_code")
    }
    assert list(told["servers"]["a"]) == ["capability", "smart", "searches", "codes"]
    assert told["servers"]["a"]["capability"]["types"]["Procedure"]["interactions"] == ["read", "search-type"]
    assert (told["ok"], told["exit_code"]) == (True, 0)


def test_nothing_of_a_patient_is_told(clinic: Clinic) -> None:
    """Ids of patients and resources, texts and values would be found here."""
    clinic.server.put(observation("SECRET-1", "1") | {"bodySite": {"text": "SECRET-text"}})
    clinic.server.put(without_status("SECRET-2") | {"note": [{"text": "SECRET-note"}]})
    told = as_json(clinic.check())
    assert "sample of 4: 1 invalid" in told
    assert "SECRET" not in told
    assert "pain-1" not in told
    assert "2020-05-0" not in told


def test_a_check_changes_nothing(clinic: Clinic) -> None:
    Warehouse.open(clinic.data).close()
    released(clinic, 5)
    root = clinic.config.parent

    def state() -> dict[str, tuple[int, int, bytes]]:
        return {
            str(path): (stat.S_IMODE(path.stat().st_mode), path.stat().st_mtime_ns, path.read_bytes())
            if path.is_file()
            else (path.stat().st_mode, path.stat().st_mtime_ns, b"")
            for path in sorted(root.rglob("*"))
        }

    before = state()
    assert failures(clinic.check()) == []
    assert state() == before
    assert {seen.method for seen in clinic.server.seen} <= {"GET", "POST"}
    assert {seen.path for seen in clinic.server.seen if seen.method == "POST"} <= {
        f"/fhir/{name}/_search"
        for name in ("AdverseEvent", "BodyStructure", "Condition", "Observation", "Patient", "Procedure")
    }


def test_each_failure_has_a_next_step_and_the_exit_code_is_that_of_the_first(clinic: Clinic) -> None:
    clinic.free = 0
    clinic.always(searches("AdverseEvent"), lambda _: outcome(403, "forbidden"))
    checkup = clinic.check()
    assert failures(checkup) == [("disk", 14), ("AdverseEvent (patient)", 11)]
    assert checkup.exit_code == 14
    assert all(each.next_step for each in checkup.findings if each.state in {"failed", "warning"})
    assert all(asdict(each)["exit_code"] == 0 for each in checkup.findings if each.state != "failed")


def test_the_how_to_page_explains_each_line(clinic: Clinic) -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "check-a-center.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"`([^`]+)`", "".join(re.findall(r"(?m)^\| (`.+?) \|", page))))
    in_order = {each.subject for each in clinic.check().findings}
    clinic.tells({}, 404)
    without_statement = {each.subject for each in clinic.check().findings}
    clinic.set("base_url", '"https://fhir.example.org/r4"')
    without_statement |= {each.subject for each in clinic.check().findings} - {"server"}
    clinic.set("base_url", '"http://127.0.0.1:9/fhir"')
    clinic.set("mode", '"ndjson"')
    without_statement |= {each.subject for each in clinic.check().findings}
    searched = {subject for subject in in_order if subject.endswith(("(patient)", "(cohort)"))}
    assert explained - searched == (in_order | without_statement) - searched
    assert explained & searched
