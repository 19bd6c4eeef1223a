"""The command line as an operator uses it: a process of its own, its output, its exit code."""

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from docs.making.command_line import command_names
from service.cli import app
from service.run import open_warehouse
from tests.end_to_end.conftest import Night1, Study

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


def cryocohort(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "service", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=cwd,
        env=ENVIRONMENT,
    )


@pytest.mark.parametrize("words", command_names(), ids=" ".join)
def test_every_command_explains_itself(words: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*words, "-h"], prog_name="cryocohort")
    assert shown.exit_code == 0
    assert "Usage: cryocohort" in shown.stdout


def test_the_list_of_commands_is_shown_by_the_process_itself() -> None:
    shown = cryocohort("--help").stdout
    assert all(words[0] in shown for words in command_names() if words)


def test_wrong_usage_is_exit_2() -> None:
    assert cryocohort("sink").returncode == 2


def test_a_missing_configuration_is_exit_10_with_file_and_next_step(tmp_path: Path) -> None:
    ended = cryocohort("sync", "--config", str(tmp_path / "nowhere"))
    assert ended.returncode == 10
    assert "nowhere/cryocohort.toml" in ended.stderr
    assert "next step:" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_sql_before_any_release_is_exit_14(study: Study) -> None:
    assert cryocohort("sql", "SELECT 1", "--config", str(study.config)).returncode == 14


def test_status_before_any_run_says_what_to_do(study: Study) -> None:
    ended = cryocohort("status", "--config", str(study.config))
    assert ended.returncode == 14
    assert "cryocohort sync" in ended.stderr


def test_a_warehouse_in_use_is_exit_16(study: Study) -> None:
    with open_warehouse(study.settings):
        ended = cryocohort("refresh", "--config", str(study.config))
    assert ended.returncode == 16
    assert str(os.getpid()) in ended.stderr


def test_a_dead_server_is_exit_12_and_status_tells_it(study: Study) -> None:
    for center_id in ("a", "b"):
        path = study.config / "centers" / center_id / "center.toml"
        text = path.read_text(encoding="utf-8")
        path.write_text(
            text.replace(study.servers.urls[center_id], "http://127.0.0.1:9/fhir"), encoding="utf-8"
        )
    ended = cryocohort("sync", "--config", str(study.config))
    assert ended.returncode == 12
    assert "center a" in ended.stderr
    assert "center b" in ended.stderr
    told = cryocohort("status", "--json", "--config", str(study.config))
    assert told.returncode == 12
    assert json.loads(told.stdout)["runs"][0]["status"] == "incomplete"


def test_sync_and_refresh_say_what_was_built_and_why(study: Study) -> None:
    config = str(study.config)
    synced = cryocohort("sync", "--config", config)
    assert synced.returncode == 0, synced.stderr
    assert "first build (a, b)" in synced.stdout
    assert "flat.patient (79)" in synced.stdout
    assert "core.patient (74)" in cryocohort("refresh", "--config", config).stdout
    again = cryocohort("sync", "--config", config).stdout
    assert re.search(r"\b(\d+) of \1 tables kept as they were", again)
    assert "Built or changed because" not in again


def test_a_broken_view_is_exit_10_below_what_was_landed(study: Study) -> None:
    views = study.config / "centers" / "b" / "views"
    views.mkdir()
    (views / "patient.json").write_text("{}", encoding="utf-8")
    ended = cryocohort("sync", "--config", str(study.config))
    assert ended.returncode == 10
    assert "Procedure" in ended.stdout
    assert "patient.json" in ended.stderr
    told = json.loads(cryocohort("status", "--json", "--config", str(study.config)).stdout)
    assert told["runs"][0]["status"] == "complete"
    assert "patient.json" in told["runs"][0]["message"]


def test_sql_answers_from_the_release_as_csv(first_night: Night1) -> None:
    config = str(first_night.study.config)
    answer = cryocohort("sql", "SELECT count(*) AS n FROM core.lesion", "--format", "csv", "--config", config)
    assert answer.stdout == "n\n105\n"


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_text('/etc/hostname')",
        "COPY core.patient TO '/tmp/out.csv'",
        "DROP TABLE core.patient",
        "SELECT * FROM core.patients",
        "",
    ],
)
def test_sql_can_neither_write_nor_leave_the_release(first_night: Night1, query: str) -> None:
    ended = cryocohort("sql", query, "--config", str(first_night.study.config))
    assert ended.returncode == 2
    assert "next step: SHOW ALL TABLES" in ended.stderr
    assert first_night.study.mart("SELECT count(*) AS n FROM core.patient") == [{"n": 74}]


def test_status_of_a_good_night_is_healthy(first_night: Night1) -> None:
    told = cryocohort("status", "--json", "--config", str(first_night.study.config))
    status = json.loads(told.stdout)
    assert told.returncode == 0
    assert status["healthy"] is True
    assert {center["center_id"] for center in status["complete"]} == {"a", "b"}
    assert set(status["next_starts"]) == {"sync", "refresh"}
    assert sum(fault["resources"] for fault in status["quarantine"]) == 4
    types = {(each["center_id"], each["resource_type"]): each for each in status["types"]}
    assert len(types) == 12
    assert types["a", "Patient"]["resources"] == 48
    assert sum(each["quarantined"] for each in types.values()) == 4
    assert all(each["read_up_to"] for each in types.values())
    assert all(each["compared_at"] is None for each in types.values())


def test_status_shows_how_far_each_type_of_each_center_is(first_night: Night1) -> None:
    told = cryocohort("status", "--config", str(first_night.study.config)).stdout
    (line,) = re.findall(r"(?m)^a +Patient +(\S+ \S+) +(\d+) +48 +0 +never", told)
    assert line[1] == "0"
    assert re.search(r"(?m)^next refresh: ", told)


def test_a_type_that_was_never_read_completely_is_told(study: Study) -> None:
    study.sync()
    study.work(
        "DELETE FROM ops.coverage WHERE center_id = 'b' AND resource_type = 'Patient' AND patient_id <> ''"
    )
    study.refresh()
    status = json.loads(cryocohort("status", "--json", "--config", str(study.config)).stdout)
    never = [(each["center_id"], each["resource_type"]) for each in status["types"] if not each["read_up_to"]]
    assert never == [("b", "Patient")]


def test_demo_shows_every_figure_and_leaves_its_report(tmp_path: Path) -> None:
    shown = cryocohort("demo", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.count("as printed") == 44
    assert shown.stdout.count("known difference") == 2
    assert "different" not in shown.stdout.replace("known difference", "")
    assert [path.name for path in tmp_path.iterdir()] == ["cryocohort-demo-report.html"]
    readme = " ".join((Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8").split())
    reasons = [line for line in shown.stdout.splitlines() if re.match(r"[^:]+: .*\bprinted\b", line)]
    assert len(reasons) == 2
    assert all(reason.strip() in readme for reason in reasons)


def test_files_of_a_night_are_private_but_for_the_release(first_night: Night1) -> None:
    folder = first_night.study.settings.warehouse_folder
    for path in folder.rglob("*"):
        mode = stat.S_IMODE(path.lstat().st_mode)
        if path.is_symlink() or folder / "marts" in (path, *path.parents):
            continue
        assert mode & 0o077 == 0, (path.relative_to(folder), oct(mode))
