"""The benchmark of the whole way still measures: a small run, and every way makes the same tables."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
WAYS = ("floor", "ours", "ours_without_gate", "orjson_arrow", "fhir_resources")


def test_a_small_run_is_measured_compared_and_judged() -> None:
    """The demands are for many resources: how a small run fares says nothing."""
    command = [sys.executable, "-m", "benchmarks.end_to_end", "--patients", "4", "--rounds", "1"]
    done = subprocess.run([*command, "--ways", *WAYS], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode in (0, 1), done.stderr
    assert done.stdout.startswith("280 resources in NDJSON files\n")
    for way in WAYS:
        assert re.search(rf"(?m)^ +{way} +[0-9,]+ resources/s .* MB  equal(?: |$)", done.stdout), done.stdout
    assert "holds: the same tables as the floor" in done.stdout
