"""`serve` as a real process: its page, its second instance, its stop at any moment."""

import contextlib
import datetime as dt
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from service.run import open_warehouse
from service.status import note_status
from tests.end_to_end.conftest import Study

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
STOPS = 20


class Serving:
    """A `serve` at work: its events as it logs them."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.events: list[dict[str, Any]] = []

    def until(self, **wanted: str) -> dict[str, Any]:
        """The first event like `wanted`; fails when the service ends before."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.events.append(json.loads(line))
            if wanted.items() <= self.events[-1].items():
                return self.events[-1]
        raise AssertionError(f"{wanted} was never logged: {self.events}")

    def stop(self) -> int:
        """Ask it to stop, read what it still logs, and give its exit code."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.stderr is not None
        self.events += [json.loads(line) for line in self.process.stderr]
        return self.process.wait(60)


@contextmanager
def serving(config: Path, extra: Mapping[str, str] | None = None) -> Iterator[Serving]:
    command = [sys.executable, "-m", "service", "serve", "--config", str(config)]
    environment = {**ENVIRONMENT, **(extra or {})}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield Serving(process)
        finally:
            process.kill()


def set_key(study: Study, key: str, value: str) -> None:
    path = study.config / "cryocohort.toml"
    lines = path.read_text(encoding="utf-8").splitlines()
    (place,) = [number for number, line in enumerate(lines) if line.startswith(f"{key} = ")]
    lines[place] = f"{key} = {value}"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def make_due(study: Study) -> None:
    """Let the last nights be two days old, so that the next service has a night to make up for."""
    with open_warehouse(study.settings) as warehouse:
        with warehouse.transaction() as transaction:
            transaction.execute("UPDATE ops.run SET started_at = started_at - INTERVAL 2 DAY")
        note_status(warehouse)


@pytest.fixture
def served(study: Study) -> Study:
    """A study whose status page takes any free port, and whose next night is half a day away."""
    set_key(study, "listen", '"127.0.0.1:0"')
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=12)
    for step in ("sync", "refresh"):
        set_key(study, step, f'"{later.minute} {later.hour} * * *"')
    return study


def get(url: str, host: str | None = None) -> tuple[int, str]:
    request = urllib.request.Request(url, headers={"Host": host} if host else {})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_service_runs_the_missed_night_shows_its_health_and_stops(served: Study) -> None:
    with serving(served.config) as service:
        url = service.until(event="status page")["url"]
        service.until(event="complete", step="refresh")
        assert get(f"{url}healthz") == (200, "healthy\n")
        page = get(url)[1]
        metrics = get(f"{url}metrics")[1]
        assert json.loads(get(f"{url}status.json")[1])["healthy"] is True
        assert get(f"{url}nothing")[0] == 404
        assert get(f"{url}healthz", host="evil.example")[0] == 403
        assert service.stop() == 0
    assert "Healthy" in page
    assert 'cryocohort_center_last_sync_complete{center="a"} 1.0' in metrics
    assert "cryocohort_healthy 1.0" in metrics
    assert served.mart("SELECT count(*) AS n FROM core.patient") == [{"n": 74}]
    assert served.settings.report_file.is_file()


@pytest.mark.row(74)
def test_of_two_services_started_at_once_one_works_and_the_other_names_it(served: Study) -> None:
    command = [sys.executable, "-m", "service", "serve", "--config", str(served.config)]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT) for _ in range(2)]
    while all(process.poll() is None for process in both):
        time.sleep(0.05)
    loser = next(process for process in both if process.poll() is not None)
    (winner,) = [process for process in both if process is not loser]
    assert loser.stderr is not None
    told = loser.stderr.read()
    loser.stderr.close()
    with winner:
        working = Serving(winner)
        working.until(event="complete", step="refresh")
        assert working.stop() == 0
    assert loser.returncode == 16
    assert f"process {winner.pid}" in told
    assert [event["step"] for event in working.events if event["event"] == "complete"] == ["sync", "refresh"]


def test_a_dead_center_is_told_by_page_and_command(served: Study) -> None:
    heard = served.folder / "heard"
    command = served.folder / "command"
    command.write_text(f"#!/bin/sh\ncat >> {heard}\n", encoding="utf-8")
    command.chmod(0o700)
    set_key(served, "command", f'["{command}"]')
    center = served.config / "centers" / "b" / "center.toml"
    text = center.read_text(encoding="utf-8")
    center.write_text(text.replace(served.servers.urls["b"], "http://127.0.0.1:9/fhir"), encoding="utf-8")
    with serving(served.config) as service:
        url = service.until(event="status page")["url"]
        service.until(event="failed", step="sync")
        status, problems = get(f"{url}healthz")
        assert service.stop() == 0
    message = json.loads(heard.read_text(encoding="utf-8"))
    assert status == 503
    assert "sync" in problems
    assert (message["event"], message["step"], message["exit_code"]) == ("failure", "sync", 12)
    states = {center["center"]: center["status"] for center in message["centers"]}
    assert states == {"a": "complete", "b": "incomplete"}


@pytest.mark.row(79)
def test_a_service_that_is_stopped_at_any_moment_ends_well_and_loses_nothing(served: Study) -> None:
    chance = random.Random(20)  # noqa: S311 -- no secret
    endings, moments = [], []
    for _ in range(STOPS):
        with serving(served.config) as service:
            service.until(event="started", step="sync")
            time.sleep(chance.uniform(0, 3))
            endings.append(service.stop())
            moments.append((service.events[-2]["event"], service.events[-2].get("step")))
        make_due(served)
    assert endings == [0] * STOPS
    # Some stopped a night under way; not all at the same place.
    assert len(set(moments)) > 1, moments
    assert ("interrupted", "sync") in moments
    served.sync()
    assert served.work("SELECT count(*) AS n FROM ops.run WHERE status = 'running'") == [{"n": 0}]
    served.refresh()
    assert served.mart("SELECT count(*) AS n FROM core.patient") == [{"n": 74}]


@pytest.mark.row(79)
def test_sigterm_during_a_sync_ends_it_between_units(served: Study) -> None:
    with serving(served.config) as service:
        service.until(event="landed")
        assert service.stop() == 0
    (interrupted,) = [event for event in service.events if event["event"] == "interrupted"]
    assert interrupted["step"] == "sync"
    assert "asked to stop" in interrupted["message"]
    assert {e["step"] for e in service.events if e["event"] == "started"} == {"sync"}


def test_systemd_is_told_that_the_service_is_ready_alive_and_stopping(served: Study, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as inbox:
        inbox.bind(str(tmp_path / "notify"))
        inbox.settimeout(30)
        told = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}
        with serving(served.config, told) as service:
            heard = [inbox.recv(99) for _ in range(3)]
            assert service.stop() == 0
            with contextlib.suppress(TimeoutError):
                while heard[-1] != b"STOPPING=1":
                    heard.append(inbox.recv(99))
    assert heard[0] == b"READY=1"
    assert b"WATCHDOG=1" in heard
    assert heard[-1] == b"STOPPING=1"
