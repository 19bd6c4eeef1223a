"""What a service manager is told: ready, alive, stopping (systemd's notification socket, sd_notify(3)).

Without a manager, as on a terminal or in a container, nothing is sent.
"""

import datetime as dt
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Manager:
    """The manager's socket, empty without one, and how often it wants a sign of life, None for never."""

    address: str = ""
    every: dt.timedelta | None = None

    def ready(self) -> None:
        """The service has started."""
        self._send(b"READY=1")

    def alive(self) -> None:
        """The service's scheduler is at work."""
        self._send(b"WATCHDOG=1")

    def stopping(self) -> None:
        """The service is about to end."""
        self._send(b"STOPPING=1")

    def _send(self, state: bytes) -> None:
        if not self.address:
            return
        # An address that begins with @ is in Linux's abstract namespace.
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as outgoing:
            outgoing.connect(address)
            outgoing.sendall(state)


def service_manager(environment: Mapping[str, str] = os.environ) -> Manager:
    """The manager that started this process, as its environment tells (NOTIFY_SOCKET, WATCHDOG_USEC).

    A sign of life is given twice in the time after which the manager would call the service dead.
    """
    address = environment.get("NOTIFY_SOCKET", "")
    wait = environment.get("WATCHDOG_USEC", "")
    is_for_us = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    every = dt.timedelta(microseconds=int(wait) / 2) if address and is_for_us and wait.isdecimal() else None
    return Manager(address, every)
