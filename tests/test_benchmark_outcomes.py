"""The benchmark of the outcomes still measures: every metric, and each package beside ours."""

import re
import subprocess
import sys
from pathlib import Path

from outcomes.metric import load_metrics

ROOT = Path(__file__).parents[1]


def test_every_metric_and_every_peer_is_timed() -> None:
    command = [sys.executable, "-m", "benchmarks.outcomes", "--patients", "400", "--peer-patients", "60"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    timed = set(re.findall(r"(?m)^  (\w+) +\d+\.\d{3} s$", done.stdout))
    assert {metric.metric for metric in load_metrics()} <= timed
    for peer in ("lifelines", "statsmodels, GEE", "statsmodels, mixed model"):
        assert re.search(rf"(?m)^    {peer} +\d+\.\d{{3}} s  [\d,.]+ times ours$", done.stdout), done.stdout
    assert "holds: at most 60 s and 4 GiB" in done.stdout
