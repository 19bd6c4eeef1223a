"""The benchmark of the gate still measures: every way, of every kind of resources, a few of them."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_way_judges_every_resource() -> None:
    """The demand itself is for many resources: how fast a few are says nothing."""
    command = [sys.executable, "-m", "benchmarks.gate", "--resources", "150", "--rounds", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode in (0, 1), done.stderr
    for kind in ("pain scores", "mixed cohort", "demo"):
        for way in ("models", "judged, before", "judged", "gate, before", "gate"):
            assert re.search(rf"(?m)^{kind} +[0-9]+ +[0-9.]+% {way} +[0-9,]+ +[0-9.]+$", done.stdout), (
                done.stdout
            )
    assert re.search(r"(?m)^(holds|FAILS): at least 25,000 resources", done.stdout)
