"""SIGTERM while a real `sync` waits for a busy server: it ends at once, and the next one loses nothing."""

import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from service.demo.workplace import prepare
from tests.end_to_end.test_cli import ENVIRONMENT, cryocohort
from tests.ingest.examples import chart
from tests.ingest.loopback import Answer, Fault, FhirServer, serving
from warehouse.connection import Warehouse

LATEST = 5.0  # of the two minutes that the server asks to wait


def busy(answer: Answer) -> Answer:
    return replace(answer, status=429, headers={**answer.headers, "Retry-After": "120"}, body=b"{}")


def test_a_sync_that_waits_for_retry_after_ends_at_sigterm(tmp_path: Path) -> None:
    with serving(FhirServer(chart("p1"))) as server:
        config = prepare(tmp_path, {"a": server.base_url})
        shutil.rmtree(config / "centers" / "b")
        fault = server.add(Fault(lambda _: True, busy))
        command = [sys.executable, "-m", "service", "--quiet", "sync", "--config", str(config)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT) as process:
            while not fault.fired:
                time.sleep(0.05)
            asked_at = time.monotonic()
            process.send_signal(signal.SIGTERM)
            told = process.communicate(timeout=60)[1]
        assert time.monotonic() - asked_at < LATEST
        assert process.returncode == 12
        assert told.splitlines()[-2:] == [
            "cryocohort: The run at center a was asked to stop.",
            "next step: run `cryocohort sync` again: it takes up where this one stopped.",
        ]
        assert cryocohort("--quiet", "sync", "--config", str(config)).returncode == 0
    with Warehouse.open(tmp_path / "data") as warehouse:
        assert warehouse.rows("SELECT count(*) AS n FROM ops.head") == [{"n": len(chart("p1"))}]
