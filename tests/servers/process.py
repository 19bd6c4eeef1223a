"""A server of others as a process on the loopback interface: started, waited for, stopped by its pid."""

import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import requests

START_SECONDS = 180
STOP_SECONDS = 30


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class ServerProcess:
    """One server; `start` returns at once, `wait` when it answers."""

    def __init__(self, command: Sequence[str], port: int, log: Path) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}/fhir"
        self._command = tuple(command)
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0

    def start(self) -> None:
        """Start the process."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        self._started = time.monotonic()

    def wait(self) -> float:
        """Wait until the server answers; returns the seconds since its start."""
        while True:
            if self._process is None or self._process.poll() is not None:
                raise RuntimeError(f"the server ended before it answered:\n{self._last_words()}")
            if self._answers():
                return time.monotonic() - self._started
            if time.monotonic() - self._started > START_SECONDS:
                raise TimeoutError(f"no answer in {START_SECONDS} s:\n{self._last_words()}")
            time.sleep(1)

    def stop(self) -> None:
        """End the process, by force if it does not end by itself."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_SECONDS)
        self._process = None

    def resident_megabytes(self) -> int:
        """The memory the process holds, as Linux tells it."""
        if self._process is None:
            raise RuntimeError("the server does not run")
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii")
        (kilobytes,) = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")]
        return int(kilobytes) // 1024

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/metadata", timeout=30).status_code == 200
        except requests.RequestException:
            return False

    def _last_words(self) -> str:
        return "\n".join(self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-40:])
