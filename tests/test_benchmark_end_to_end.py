"""The benchmark of the whole way still measures: a small run, and every way makes the same tables."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
WAYS = ("floor", "ours", "ours_without_gate", "orjson_arrow", "fhir_resources")
PAGE_WAYS = ("paging", "floor_pages", "ours_pages", "unchanged_pages", "resent_pages")


def test_a_small_run_is_measured_compared_and_judged() -> None:
    """The demands are for many resources: how a small run fares says nothing."""
    command = [sys.executable, "-m", "benchmarks.end_to_end", "--patients", "4", "--served", "4"]
    command += ["--rounds", "1", "--ways", *WAYS, "--page-ways", *PAGE_WAYS]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode in (0, 1), done.stderr
    assert done.stdout.startswith("280 resources in NDJSON files\n")
    assert "280 resources from a server in pages of 200\n" in done.stdout
    for way in (*WAYS, *PAGE_WAYS):
        said = "makes nothing" if way == "paging" else "equal"
        assert re.search(rf"(?m)^ +{way} +[0-9,]+ resources/s .* MB  {said}(?: |$)", done.stdout), done.stdout
    assert done.stdout.count(": the same tables as the floor\n") == 1 + 3
    assert "FAILS: ours_pages: the same" not in done.stdout
