"""The benchmark of the mappings still measures: every way of ours runs and gives the same rows."""

import re
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "mapping.py"


def test_every_way_gives_the_same_rows_and_is_judged() -> None:
    """The demands themselves are for a large file: how a small one fares says nothing."""
    command = [sys.executable, str(SCRIPT), "300", "7", "--rounds", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    for way in ("by_paths", "by_columns", "compiled", "orjson_loop"):
        assert re.search(rf"(?m)^{way} .* 300 ", done.stdout), done.stdout
    for way in ("sqlonfhir", "pysof", "fhir_pyrate"):
        assert re.search(rf"(?m)^{way} ", done.stdout), done.stdout
    assert re.search(r"(?m)^(holds|FAILS): at least 0.5 of the floor", done.stdout)
