"""What analysts and operators do with a release on the command line: ask, export, verify, go back."""

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.end_to_end.conftest import Night1, Study
from warehouse.manifest import verify_manifest

PROJECT = Path(__file__).parents[2]


def cryocohort(study: Study, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "service", *arguments, "--config", str(study.config)],
        capture_output=True,
        check=False,
        timeout=300,
        cwd=PROJECT,
    )


@pytest.fixture
def copied(first_night: Night1, tmp_path: Path) -> Study:
    """The first night again, for tests that note something in its audit log."""
    shutil.copytree(first_night.study.folder, tmp_path / "study", symlinks=True)
    return Study(tmp_path / "study", first_night.study.servers)


def test_a_query_answers_as_json_and_as_parquet(first_night: Night1) -> None:
    query = "SELECT sex, count(*) AS n, avg(n_lesions) AS mean FROM core.patient GROUP BY sex ORDER BY sex"
    told = json.loads(cryocohort(first_night.study, "sql", query, "--format", "json").stdout)
    assert [(row["sex"], row["n"]) for row in told] == [("female", 35), ("male", 39)]
    written = cryocohort(first_night.study, "sql", query, "--format", "parquet").stdout
    assert pq.read_table(io.BytesIO(written)).to_pylist() == told


@pytest.mark.parametrize("form", ["json", "parquet"])
def test_no_format_lets_a_query_leave_the_release(first_night: Night1, form: str) -> None:
    for query in ("COPY core.patient TO '/tmp/out.csv'", "SELECT * FROM read_text('/etc/hostname')", ""):
        ended = cryocohort(first_night.study, "sql", query, "--format", form)
        assert ended.returncode == 2, query
        assert ended.stdout == b""


def test_an_export_is_warned_of_and_noted(copied: Study, tmp_path: Path) -> None:
    ended = cryocohort(copied, "export", str(tmp_path / "tables"), "--format", "csv")
    assert ended.returncode == 0
    assert b"For the study team only" in ended.stderr
    assert verify_manifest(tmp_path / "tables")["tables"]["core.patient"] == 74
    [noted] = copied.work("SELECT subject, details FROM ops.audit WHERE action = 'export'")
    assert noted["subject"] == "release 1"
    assert json.loads(noted["details"])["format"] == "csv"
    assert cryocohort(copied, "releases", "verify", "--folder", str(tmp_path / "tables")).returncode == 0
    with (tmp_path / "tables" / "core.patient.csv").open("a") as file:
        file.write("one more\n")
    spoiled = cryocohort(copied, "releases", "verify", "--folder", str(tmp_path / "tables"))
    assert spoiled.returncode == 14
    assert b"core.patient.csv was changed" in spoiled.stderr
    assert cryocohort(copied, "export", str(tmp_path / "tables")).returncode == 10


def test_a_lake_has_raw_resources_only_when_asked_and_is_warned_of_and_noted(
    copied: Study, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    ended = cryocohort(copied, "export", "--lake", str(lake))
    assert ended.returncode == 0, ended.stderr
    assert b"Raw resources were left out" in ended.stdout
    assert not (lake / "raw").exists()
    ended = cryocohort(copied, "export", "--lake", str(lake), "--with-raw")
    assert ended.returncode == 0, ended.stderr
    assert b"(PHI)" in ended.stderr
    manifest = json.loads((lake / "manifest.json").read_text())
    assert (manifest["release"], manifest["holds_raw"]) == (1, True)
    assert {center["center_id"]: center["fhir_version"] for center in manifest["centers"]} == {
        "a": "R4",
        "b": "R5",
    }
    counted = sum(entry["rows"] for entry in manifest["files"].values() if entry["kind"] == "heads")
    assert [{"heads": counted}] == copied.work("SELECT count(*) AS heads FROM ops.head")
    noted = copied.work("SELECT details FROM ops.audit WHERE action = 'export' ORDER BY number")
    assert [json.loads(entry["details"])["rows"] for entry in noted] == ["release", "raw and release"]


@pytest.mark.parametrize(
    "arguments",
    [[], ["x", "--lake", "y"], ["x", "--with-raw"], ["--lake", "y", "--audience", "shared"]],
    ids=lambda arguments: " ".join(arguments) or "nothing",
)
def test_an_export_without_one_clear_target_is_wrong_usage(copied: Study, arguments: list[str]) -> None:
    assert cryocohort(copied, "export", *arguments).returncode == 2


def test_a_lake_within_the_warehouse_is_refused(copied: Study) -> None:
    inside = copied.settings.warehouse_folder / "shared"
    assert cryocohort(copied, "export", "--lake", str(inside)).returncode == 10
    assert not inside.exists()


def test_what_is_shared_has_no_row_of_a_patient_and_no_small_count(copied: Study, tmp_path: Path) -> None:
    folder = tmp_path / "figures"
    ended = cryocohort(copied, "export", str(folder), "--audience", "shared")
    assert ended.returncode == 0, ended.stderr
    manifest = verify_manifest(folder)
    assert set(manifest["tables"]) == {"core.flow", "outcomes.metric_result", "outcomes.curve_result"}
    assert (manifest["audience"], manifest["smallest_count"]) == ("shared", 5)
    results = pq.read_table(folder / "outcomes.metric_result.parquet").to_pylist()
    [patients] = [r for r in results if (r["metric"], r["group"]) == ("patients", "all")]
    assert patients["value"] == 74
    small = [r for r in results if r["metric"] == "complications_major" and r["statistic"] == "count"]
    assert small or any(r["metric"] == "complications_major" for r in results)
    for row in results:
        counts = [row["numerator"], row["denominator"], row["n"]]
        counts += [row["value"]] if row["statistic"] == "count" else []
        assert [count for count in counts if count and 0 < count < 5] == [], row["metric"]
    flow = pq.read_table(folder / "core.flow.parquet").to_pylist()
    assert [row for row in flow if 0 < (row["excluded"] or 0) < 5 or 0 < (row["kept"] or 0) < 5] == []
    assert any(row["excluded"] is None for row in flow), "nothing was hidden"
    curves = pq.read_table(folder / "outcomes.curve_result.parquet").to_pylist()
    assert curves
    assert {row["at_risk"] for row in curves} == {None}
    keys = {row["k"] for row in copied.mart("SELECT patient_key AS k FROM core.patient")}
    for path in folder.iterdir():
        content = path.read_bytes()
        assert not [key for key in keys if key.encode() in content], path.name


def test_readers_are_sent_back_and_forward_again(copied: Study) -> None:
    copied.refresh()
    ended = cryocohort(copied, "releases", "rollback", "1")
    assert ended.returncode == 0, ended.stderr
    listed = cryocohort(copied, "releases", "list").stdout.decode()
    current = [line for line in listed.splitlines() if "current" in line]
    assert [line.split()[0] for line in current] == ["1"]
    assert copied.mart("SELECT max(run_id) AS n FROM outcomes.metric_result") == [{"n": 2}]
    assert copied.refresh().release.number == 3
    assert copied.mart("SELECT max(run_id) AS n FROM outcomes.metric_result") == [{"n": 4}]
    assert cryocohort(copied, "releases", "rollback", "9").returncode == 14


def test_another_key_is_noticed_before_anything_is_published(copied: Study) -> None:
    [key, *_] = sorted((copied.config / "centers" / "b").glob("*.key"))
    before = key.read_bytes()
    key.write_bytes(bytes(reversed(before)))
    ended = cryocohort(copied, "refresh")
    assert ended.returncode == 10
    assert b"is not that of release 1: center b" in ended.stderr
    assert before not in ended.stderr
    assert [path.name for path in (copied.settings.warehouse_folder / "marts" / "releases").iterdir()] == [
        "1"
    ]
    accepted = cryocohort(copied, "refresh", "--accept-key", "b")
    assert accepted.returncode == 0, accepted.stderr
