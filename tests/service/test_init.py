"""`cryocohort init`: what it makes is private, complete, and a check names what only its operator knows."""

import datetime as dt
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mappings.errors import ConfigError
from service.cli import app
from service.configuration import load_settings
from service.doctor import Checkup, Surroundings, check
from service.new_workplace import make_workplace

NOW = dt.datetime(2026, 11, 25, 12, 0, tzinfo=dt.UTC)


def checked(config: Path) -> Checkup:
    return check(config, None, Surroundings(lambda: NOW, lambda _: 10**12))


def test_each_center_has_its_folder_its_name_and_a_key_of_its_own(tmp_path: Path) -> None:
    config = make_workplace(tmp_path / "study", ["north", "south"])
    settings = load_settings(config)
    assert [(each.center_id, each.file.name) for each in settings.centers] == [
        ("north", "Center NORTH"),
        ("south", "Center SOUTH"),
    ]
    assert settings.center("south").file.base_url == "https://fhir.center-south.example.org/r4"
    keys = {center.pseudonym_key() for center in settings.centers}
    assert len(keys) == 2
    assert {len(key) for key in keys} == {32}
    assert settings.warehouse_folder == (tmp_path / "study" / "data").resolve()


def test_the_configuration_and_its_keys_are_for_their_owner_alone(tmp_path: Path) -> None:
    config = make_workplace(tmp_path / "study", ["a"])
    folders = {path for path in config.rglob("*") if path.is_dir()} | {config}
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o700}
    assert stat.S_IMODE((config / "centers/a/pseudonym.key").stat().st_mode) == 0o600


def test_a_check_names_file_by_file_what_only_the_operator_knows(tmp_path: Path) -> None:
    checkup = checked(make_workplace(tmp_path / "study", ["a", "b"]))
    wrong = [each for each in checkup.findings if each.state == "failed"]
    assert [(each.center, each.subject) for each in wrong] == [("a", "base_url"), ("b", "base_url")]
    assert [f"centers/{each.center}/center.toml: base_url" in each.seen for each in wrong] == [True, True]
    assert checkup.exit_code == ConfigError.exit_code
    passed = {(each.center, each.subject) for each in checkup.findings if each.state == "ok"}
    assert passed >= {
        ("", "configuration"),
        ("", "disk"),
        ("a", "secrets"),
        ("a", "code files"),
        ("b", "views"),
    }


@pytest.mark.parametrize("center_ids", [["A"], ["1st"], ["../up"], ["a" * 32], [""], ["a", "a"]])
def test_an_id_that_cannot_be_a_center_s_makes_nothing(tmp_path: Path, center_ids: list[str]) -> None:
    with pytest.raises(ConfigError, match="--center"):
        make_workplace(tmp_path / "study", center_ids)
    assert not (tmp_path / "study").exists()


def test_a_folder_that_holds_anything_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="is not empty"):
        make_workplace(tmp_path, ["a"])
    with pytest.raises(ConfigError, match="is a file"):
        make_workplace(tmp_path / "notes", ["a"])
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]


def test_a_folder_where_nothing_may_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be made"):
        make_workplace(Path("/proc/study"), ["a"])


def test_the_command_tells_every_file_to_fill_in_and_the_commands_that_follow(tmp_path: Path) -> None:
    study = tmp_path / "study"
    shown = CliRunner().invoke(app, ["init", str(study)])
    assert shown.exit_code == 0
    told = [line.strip().split(": ")[0] for line in shown.stdout.splitlines()]
    assert [str(path) in told for path in sorted(study.rglob("*.toml"))] == [True] * 3
    assert [str(path) in told for path in sorted(study.rglob("*.csv"))] == [True] * 2
    assert {"cryocohort check", "cryocohort sync", "cryocohort refresh"} <= set(told)
