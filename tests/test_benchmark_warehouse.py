"""The benchmark of the warehouse still measures: a small run lands, builds, publishes and judges."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_a_small_run_is_measured_and_judged() -> None:
    """The demands themselves are for a large warehouse: how a small one fares says nothing."""
    command = [sys.executable, "-m", "benchmarks.warehouse", "--observations", "400", "--changed", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode in (0, 1), done.stderr
    for work in ("bare append", "landing", "full rebuild", "a night", "publish"):
        assert re.search(rf"(?m)^ *{work} +[0-9.]+ s +[0-9.]+ CPU s$", done.stdout), done.stdout + done.stderr
    assert len(re.findall(r"(?m)^(?:holds|FAILS): ", done.stdout)) == 3
