"""What systemd hears: ready, alive, stopping; and nothing where there is no systemd."""

import datetime as dt
import os
import socket
from pathlib import Path

import pytest

from service.systemd import Manager, service_manager


@pytest.fixture
def inbox(tmp_path: Path) -> socket.socket:
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    heard.bind(str(tmp_path / "notify"))
    heard.settimeout(5)
    return heard


def test_each_state_reaches_the_socket(inbox: socket.socket) -> None:
    with inbox:
        manager = Manager(inbox.getsockname())
        for tell in (manager.ready, manager.alive, manager.stopping):
            tell()
        assert [inbox.recv(99) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]


def test_an_abstract_address_is_understood() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(f"\0cryocohort-test-{os.getpid()}")
        heard.settimeout(5)
        Manager(f"@cryocohort-test-{os.getpid()}").ready()
        assert heard.recv(99) == b"READY=1"


def test_a_sign_of_life_comes_twice_in_the_time_allowed() -> None:
    environment = {"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}
    assert service_manager(environment) == Manager("/run/x", dt.timedelta(seconds=30))


@pytest.mark.parametrize(
    "environment",
    [{}, {"WATCHDOG_USEC": "1000"}, {"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}],
)
def test_without_a_watchdog_for_this_process_there_is_no_beat(environment: dict[str, str]) -> None:
    assert service_manager(environment).every is None


def test_without_a_manager_nothing_is_sent() -> None:
    Manager().ready()
