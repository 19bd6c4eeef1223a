"""The benchmark of the client still measures: a small run of ours and the floor."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
CLIENTS = ("floor", "read", "sync")


def test_a_small_run_is_measured() -> None:
    command = [sys.executable, "-m", "benchmarks.ingest", "--resources", "2500", "--latency-ms", "0"]
    done = subprocess.run(
        [*command, "--rounds", "1", "--clients", *CLIENTS],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    for client in CLIENTS:
        pattern = rf"(?m)^ +{client} +[0-9,]+ resources/s +[0-9.]+ of the floor"
        assert re.search(pattern, done.stdout), done.stdout
