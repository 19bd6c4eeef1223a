"""The benchmark of sizes still measures: two small ones on DuckDB, their slopes, layers and demands."""

import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.scale import Size, bytes_of, slope, tell_crossing

ROOT = Path(__file__).parents[1]


def test_two_small_sizes_are_measured_and_judged() -> None:
    """The demands themselves are for large sizes: how small ones fare says nothing."""
    command = [sys.executable, "-m", "benchmarks.scale", "70", "140", "--through-gate", "70", "--duckdb-only"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode in (0, 1), done.stderr
    for work in ("views", "core", "metrics", "publish"):
        assert len(re.findall(rf"(?m)^  DuckDB +{work} +[0-9.]+ s +[0-9.]+ CPU s ", done.stdout)) == 2
        assert re.search(rf"(?m)^  DuckDB +{work} +-?[0-9.]+ +-?[0-9.]+$", done.stdout), done.stdout
    assert re.search(r"(?m)^ +140 resources: raw [0-9,]+, work [0-9,]+, release [0-9,]+$", done.stdout)
    assert len(re.findall(r"(?m)^(?:holds|FAILS): ", done.stdout)) == 2


def test_a_slope_is_the_exponent() -> None:
    points = [(n, 3.0 * n**1.5) for n in (10, 100, 1000)]
    assert math.isclose(slope(points), 1.5)


@pytest.mark.parametrize(
    ("spark", "told"),
    [
        ((10.0, 20.0), "Spark is the quicker from 1,000 resources on"),
        ((50.0, 60.0), "they would meet at 2,588 resources"),
        ((50.0, 500.0), "on the same cores they never meet"),
    ],
)
def test_where_spark_would_be_the_quicker_is_measured_or_said_to_be_guessed(
    spark: tuple[float, float], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = []
    for resources, ours, theirs in ((100, 3.0, spark[0]), (1000, 30.0, spark[1])):
        size = Size(resources)
        for work in ("views", "core", "metrics"):
            size.cost[work, "DuckDB"] = {"wall": ours / 3}
        for work in ("start", "views, core", "metrics"):
            size.cost[work, "Spark"] = {"wall": theirs / 3}
        sizes.append(size)
    tell_crossing(sizes)
    assert told in capsys.readouterr().out


def test_limits_are_read_as_duckdb_reads_them() -> None:
    assert [bytes_of(limit) for limit in ("512MB", "1GB", "1GiB")] == [512_000_000, 10**9, 2**30]
