"""What is logged is what the reference tells: every event of a night with its fields, and none when quiet."""

import json

import pytest

from docs.making.log_events import COMMON, logged
from service.log import EVENTS
from tests.end_to_end.conftest import Study
from tests.end_to_end.test_cli import cryocohort


def test_every_event_in_the_code_has_its_meaning_and_none_is_made_up() -> None:
    assert {call.event for call in logged()} == set(EVENTS)


def test_a_night_logs_the_events_and_fields_that_the_reference_tells(study: Study) -> None:
    fields: dict[str, set[str]] = {}
    for call in logged():
        fields.setdefault(call.event, set(COMMON)).update(call.fields)
    lines = [
        json.loads(line)
        for command in ("sync", "refresh")
        for line in cryocohort("--verbose", "--log-json", command, cwd=study.folder).stderr.splitlines()
    ]
    told = {"run started", "step ended", "landed", "run ended", "built", "checked"}
    assert {line["event"] for line in lines} == told
    for line in lines:
        assert set(line) <= fields[line["event"]], line
    (ended, _) = [line for line in lines if line["event"] == "run ended"]
    assert (ended["run_id"], ended["kind"], ended["status"]) == (1, "sync", "complete")
    assert ended["seconds"] > 0
    steps = [(line["run_id"], line["step"]) for line in lines if line["event"] == "step ended"]
    assert steps == [(1, "map"), (2, "build"), (2, "compute"), (2, "check"), (2, "publish")]
    landed = [line for line in lines if line["event"] == "landed"]
    assert {(line["run_id"], line["center"]) for line in landed} == {(1, "a"), (1, "b")}


def test_quiet_says_nothing_of_a_good_night_and_still_tells_a_failure(study: Study) -> None:
    for command in ("sync", "refresh", "report"):
        ended = cryocohort("--quiet", command, cwd=study.folder)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    ended = cryocohort("--quiet", "sync", "--accept-deletions", "nowhere", cwd=study.folder)
    assert ended.returncode == 10
    assert "No center is called nowhere" in ended.stderr
    assert cryocohort("--quiet", "sql", "SELECT 42 AS n", cwd=study.folder).stdout.split() == ["n", "42"]


@pytest.mark.parametrize("options", [["--quiet", "--verbose"], ["-q", "-v"]])
def test_quiet_and_verbose_exclude_each_other(options: list[str]) -> None:
    assert cryocohort(*options, "sync").returncode == 2
