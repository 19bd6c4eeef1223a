"""The site's own command hears of every failure, of a recovery once, and never makes a night fail."""

import datetime as dt
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from mappings.errors import WarehouseError
from service.configuration import load_settings
from service.demo.workplace import prepare
from service.notify import told
from service.settings import Settings
from tests.properties.failing_files import FailingDisk

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
URLS = {"a": "http://127.0.0.1:9/a", "b": "http://127.0.0.1:9/b"}


class Site:
    """A configuration whose command appends what it hears to a file, or does as `script` says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = prepare(folder, URLS)
        self.inbox = folder / "inbox"
        self.settings = self.with_command(f"(cat; echo; echo env=$SECRET >&2) >> {self.inbox}")
        self.settings.warehouse_folder.mkdir()

    def with_command(self, script: str) -> Settings:
        command = self.folder / "command"
        command.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        command.chmod(0o700)
        path = self.config / "cryocohort.toml"
        lines = path.read_text(encoding="utf-8").splitlines()
        (place,) = [number for number, line in enumerate(lines) if line.startswith("command = ")]
        lines[place] = f'command = ["{command}"]'
        path.write_text("\n".join(lines), encoding="utf-8")
        return load_settings(self.config)

    def heard(self) -> list[dict[str, Any]]:
        text = self.inbox.read_text(encoding="utf-8") if self.inbox.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    def night(self, fails: Exception | None = None, *, hours: int = 0, stopping: bool = False) -> None:
        with told(self.settings, "sync", lambda: NOW + dt.timedelta(hours=hours), lambda: stopping):
            if fails:
                raise fails


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


FULL = WarehouseError("The disk is full.", "make room.")


def test_a_failure_is_told_with_its_cause_and_next_step(site: Site) -> None:
    with pytest.raises(WarehouseError):
        site.night(FULL)
    (message,) = site.heard()
    assert message["event"] == "failure"
    assert (message["step"], message["exit_code"]) == ("sync", 14)
    assert (message["message"], message["next_step"]) == ("The disk is full.", "make room.")
    assert message["at"] == message["failing_since"] == NOW.isoformat()


def test_every_failure_is_told_and_a_recovery_once(site: Site) -> None:
    site.night()
    for hours in (24, 48):
        with pytest.raises(WarehouseError):
            site.night(FULL, hours=hours)
    site.night(hours=72)
    site.night(hours=96)
    events = [(message["event"], message["failing_since"][:10]) for message in site.heard()]
    assert events == [("failure", "2026-11-24"), ("failure", "2026-11-24"), ("recovery", "2026-11-24")]


def test_a_defect_is_told_by_its_class_alone(site: Site) -> None:
    with pytest.raises(RuntimeError):
        site.night(RuntimeError("Jane Doe, born 1961"))
    (message,) = site.heard()
    assert message["exit_code"] == 1
    assert "RuntimeError" in message["message"]
    assert "Jane" not in json.dumps(message)


def test_a_step_that_was_asked_to_stop_has_not_failed(site: Site) -> None:
    with pytest.raises(WarehouseError):
        site.night(FULL, stopping=True)
    assert site.heard() == []


def test_a_recovery_that_could_not_be_told_is_told_the_next_night(site: Site) -> None:
    with pytest.raises(WarehouseError):
        site.night(FULL)
    works, site.settings = site.settings, site.with_command("exit 3")
    with capture_logs() as logs:
        site.night(hours=24)
    assert [(log["event"], log["reason"]) for log in logs] == [("notification failed", "exit 3")]
    site.settings = site.with_command(f"(cat; echo) >> {site.inbox}")
    site.night(hours=48)
    assert [message["event"] for message in site.heard()] == ["failure", "recovery"]
    assert works.file.notify.command == site.settings.file.notify.command


def test_a_command_that_is_not_there_is_logged_and_fails_no_night(site: Site) -> None:
    with pytest.raises(WarehouseError):
        site.night(FULL)
    (site.folder / "command").unlink()
    with capture_logs() as logs:
        site.night(hours=24)
    assert [log["reason"] for log in logs] == ["FileNotFoundError"]


def test_a_failure_is_told_where_nothing_can_be_kept(site: Site) -> None:
    site.settings.warehouse_folder.rmdir()
    with capture_logs() as logs, pytest.raises(WarehouseError):
        site.night(FULL)
    assert [log["event"] for log in logs] == ["notification state not kept"]
    assert len(site.heard()) == 1


def test_whatever_write_fails_the_error_of_the_step_is_told(site: Site) -> None:
    folder, failed = site.settings.warehouse_folder, []
    for nth in range(1, 20):
        (folder / "notified.new").unlink(missing_ok=True)
        disk = FailingDisk(folder, nth)
        with capture_logs() as logs, pytest.MonkeyPatch.context() as patch:
            disk.install(patch)
            with pytest.raises(WarehouseError, match=FULL.message):
                site.night(FULL)
        if not disk.failed:
            break
        failed.append(disk.failed)
        assert [log["event"] for log in logs] == ["notification state not kept"]
    assert failed == ["open", "open", "write", "replace"]
    assert len(site.heard()) == 5


def test_the_command_does_not_get_the_secrets_of_the_environment(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "a-token")
    seen = site.folder / "seen"
    site.settings = site.with_command(f"env > {seen}")
    with pytest.raises(WarehouseError):
        site.night(FULL)
    assert "PATH=" in seen.read_text(encoding="utf-8")
    assert "a-token" not in seen.read_text(encoding="utf-8")


def test_what_is_kept_is_private(site: Site) -> None:
    with pytest.raises(WarehouseError):
        site.night(FULL)
    kept = site.settings.warehouse_folder / "notified.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_a_state_that_cannot_be_read_is_logged_and_begins_anew(site: Site) -> None:
    (site.settings.warehouse_folder / "notified.json").write_text("{", encoding="utf-8")
    with capture_logs() as logs:
        site.night()
    assert [log["event"] for log in logs] == ["notification state unreadable"]
