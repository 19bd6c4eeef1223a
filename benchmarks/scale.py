"""What does it cost at ten times the size? A first night on DuckDB and on Spark, size by size, in one run.

    python -m benchmarks.scale [SIZE ...] [--through-gate N] [--memory LIMIT] [--duckdb-only] [--keep FOLDER]

For each SIZE (10,000, 100,000 and 1,000,000 resources unless told; 10,000,000 needs 20 GB of disk): charts of
cohort patients with four pain scores each. Up to --through-gate of them are landed as a sync does it; beyond,
the landed ones are copied under new ids as raw Parquet. Then, each in a process of its own with two threads:

- DuckDB, with --memory as its memory_limit: every view, the core tables, every metric, the release;
- Spark, local[2] with 8 GB (1 GB were too few at 10,000,000): views and core tables from the raw Parquet,
  every metric; its start.

Prints wall and CPU seconds, CPU seconds per million, the peak memory of all processes and what DuckDB
spilled; then the slope of each step on a log-log scale (1: twice the size, twice the cost), the bytes of a
resource in each layer, and from which size Spark would be the quicker. The exit code is 1 when a step of
DuckDB grows faster than a slope of 1.15 or its memory passes the limit by more than 1 GiB; a run in which the
two engines' figures differ measures nothing.
"""

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.scale_steps import RESOURCES_OF_A_PATIENT
from benchmarks.watching import SAMPLE_SECONDS, family, held

SIZES = (10_000, 100_000, 1_000_000)
MEBIBYTE, GIBIBYTE = 1024 * 1024, 1024 * 1024 * 1024
MOST_SLOPE, MOST_OVER = 1.15, GIBIBYTE
TOLERANCE = 1e-9
NIGHT = {"DuckDB": ("views", "core", "metrics"), "Spark": ("start", "views, core", "metrics")}
UNITS = {"MB": 10**6, "GB": 10**9, "MIB": MEBIBYTE, "GIB": GIBIBYTE}


@dataclass(frozen=True, slots=True)
class Watched:
    """What a step told, the most memory its processes held at once, and the most that DuckDB had spilled."""

    lines: Sequence[Mapping[str, Any]]
    peak: int
    spilled: int


@dataclass
class Size:
    """One size: its resources, cost by (work, engine), bytes by layer, peak memory by step."""

    resources: int
    cost: dict[tuple[str, str], Mapping[str, float]] = field(default_factory=dict)
    layers: Mapping[str, int] = field(default_factory=dict)
    peak: dict[str, int] = field(default_factory=dict)

    def note(self, step: str, watched: Watched) -> None:
        """Keep and print what a step told."""
        self.peak[step] = watched.peak
        for line in watched.lines:
            if "work" in line:
                self.cost[line["work"], line["engine"]] = line
                self._tell(line)
            else:
                self.layers, self.resources = line["bytes"], line["resources"]
        spilled = f", spilled {watched.spilled / MEBIBYTE:,.0f} MiB" if step == "duckdb" else ""
        print(f"  {step}: peak {watched.peak / MEBIBYTE:,.0f} MiB{spilled}", flush=True)

    def _tell(self, line: Mapping[str, Any]) -> None:
        each = line["cpu"] / self.resources * 1e6
        print(
            f"  {line['engine']:<7} {line['work']:<11} {line['wall']:9.2f} s {line['cpu']:9.2f} CPU s "
            f"{each:9.1f} CPU s per million",
            flush=True,
        )

    def wall(self, engine: str) -> float:
        """Seconds from raw Parquet to the metrics, with the start of the engine."""
        return sum(self.cost[work, engine]["wall"] for work in NIGHT[engine])


def watch(folder: Path, step: str, *options: str) -> Watched:
    """Run a step in a process of its own and sample what it holds."""
    command = [sys.executable, "-m", "benchmarks.scale_steps", step, str(folder), *options]
    peak = spilled = 0
    with tempfile.TemporaryFile() as told:
        running = subprocess.Popen(command, stdout=told)
        while running.poll() is None:
            first, *started = family(running.pid)
            peak = max(peak, held(first, "Rss") + sum(held(pid, "Rss") for pid in started))
            spilled = max(spilled, _bytes_in(folder / "data" / "spill"))
            time.sleep(SAMPLE_SECONDS)
        if running.returncode:
            raise SystemExit(f"the step {step} failed: nothing was measured")
        told.seek(0)
        return Watched([json.loads(line) for line in told], peak, spilled)


def _bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.glob("*") if folder.is_dir() else ():
        with suppress(OSError):
            total += path.stat().st_size
    return total


def measure(size: Size, folder: Path, base: Path | None, memory: str, *, has_spark: bool) -> None:
    """Every step at one size; `base` is a warehouse to copy from, None to land through the gate."""
    folder.mkdir()
    options = ("--memory", memory, "--resources", str(size.resources))
    if base is None:
        size.note("land", watch(folder, "land", *options))
    else:
        size.note("grow", watch(folder, "grow", "--from", str(base), *options))
    size.note("duckdb", watch(folder, "duckdb", *options))
    require_every_patient(folder, size)
    if has_spark:
        size.note("spark", watch(folder, "spark", *options))
        require_same_figures(folder)


def require_every_patient(folder: Path, size: Size) -> None:
    """End the run unless each patient, copied or landed, is one of the cohort."""
    counted = json.loads((folder / "duckdb.json").read_text())["patients all count"][0]
    if counted * RESOURCES_OF_A_PATIENT != size.resources:
        raise SystemExit(f"{counted:,.0f} patients of {size.resources:,} resources: nothing was measured")


def require_same_figures(folder: Path) -> None:
    """End the run unless both engines gave the same figures: counts exactly, numbers within 1e-9."""
    ours, theirs = (json.loads((folder / f"{name}.json").read_text()) for name in ("duckdb", "spark"))
    different = {key for key in ours.keys() | theirs.keys() if not _same(ours.get(key), theirs.get(key))}
    if different:
        raise SystemExit(f"{len(different)} figures differ, such as {min(different)}: nothing was measured")
    print(f"  {len(ours):,} figures are the same on both", flush=True)


def _same(one: Sequence[Any] | None, other: Sequence[Any] | None) -> bool:
    if one is None or other is None:
        return False
    return all(
        a == b or (a is not None and b is not None and math.isclose(a, b, rel_tol=TOLERANCE))
        for a, b in zip(one, other, strict=True)
    )


def slope(points: Sequence[tuple[int, float]]) -> float:
    """Of the line through the logarithms, by least squares."""
    xs, ys = ([math.log(value) for value in column] for column in zip(*points, strict=True))
    middle_x, middle_y = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((x - middle_x) * (y - middle_y) for x, y in zip(xs, ys, strict=True)) / sum(
        (x - middle_x) ** 2 for x in xs
    )


def tell_slopes(sizes: Sequence[Size]) -> dict[tuple[str, str], float]:
    """Print and return the slope of the CPU seconds of each kind of work, from the sizes that have it."""
    found = {}
    print("slope of CPU seconds against resources, log-log (all sizes; the two largest)")
    for work, engine in dict.fromkeys(key for size in sizes for key in size.cost):
        points = [
            (size.resources, size.cost[work, engine]["cpu"]) for size in sizes if (work, engine) in size.cost
        ]
        if work != "start" and len(points) > 1:
            found[work, engine] = slope(points[-2:])
            print(f"  {engine:<7} {work:<11} {slope(points):5.2f} {found[work, engine]:5.2f}")
    return found


def tell_layers(sizes: Sequence[Size]) -> None:
    print("bytes of a resource in each layer")
    for size in sizes:
        each = ", ".join(f"{name} {total / size.resources:,.0f}" for name, total in size.layers.items())
        print(f"  {size.resources:>12,} resources: {each}")


def tell_crossing(sizes: Sequence[Size]) -> None:
    """Where Spark on the same cores would be the quicker, measured or, as what it is, extrapolated."""
    for size in sizes:
        ours, theirs = size.wall("DuckDB"), size.wall("Spark")
        ratio = f"{theirs / ours:.1f} x"
        print(f"  {size.resources:>12,} resources: DuckDB {ours:.1f} s, Spark {theirs:.1f} s ({ratio})")
    quicker = [size.resources for size in sizes if size.wall("Spark") < size.wall("DuckDB")]
    if quicker:
        print(f"Spark is the quicker from {quicker[0]:,} resources on")
        return
    print(f"DuckDB is the quicker at every size measured, up to {sizes[-1].resources:,} resources")
    if len(sizes) > 1:
        print(_guessed(*sizes[-2:]))


def _guessed(smaller: Size, larger: Size) -> str:
    """Where they would meet if each further resource went on to cost what it did between two sizes."""
    ours, theirs = (
        (larger.wall(engine) - smaller.wall(engine)) / (larger.resources - smaller.resources)
        for engine in ("DuckDB", "Spark")
    )
    if theirs >= ours:
        return (
            f"a further resource costs Spark {theirs / ours:.1f} x as much: on the same cores they never meet"
        )
    behind = larger.wall("Spark") - larger.wall("DuckDB")
    meet = larger.resources + behind / (ours - theirs)
    told = "if it went on as between the last two sizes (not measured), they would meet at"
    return f"{told} {meet:,.0f} resources"


def demands(
    sizes: Sequence[Size], slopes: Mapping[tuple[str, str], float], memory: int
) -> list[tuple[str, bool]]:
    steepest = max((found for (_, engine), found in slopes.items() if engine == "DuckDB"), default=0.0)
    over = max(size.peak["duckdb"] for size in sizes) - memory
    return [
        (f"slope of DuckDB's steps at most {MOST_SLOPE} (steepest {steepest:.2f})", steepest <= MOST_SLOPE),
        (f"memory at most 1 GiB beyond the limit ({over / MEBIBYTE:+,.0f} MiB)", over <= MOST_OVER),
    ]


def bytes_of(limit: str) -> int:
    """`512MB` or `1GiB` as bytes."""
    number = limit.rstrip("BGIMbgim")
    return int(float(number) * UNITS[limit[len(number) :].upper()])


def main() -> int:
    """Measure every size, the smaller ones first."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sizes", metavar="SIZE", type=int, nargs="*", default=SIZES)
    parser.add_argument("--through-gate", type=int, default=100_000)
    parser.add_argument("--memory", default="1GB")
    parser.add_argument("--duckdb-only", action="store_true")
    parser.add_argument("--keep", type=Path, help="a new folder for the warehouses, which stay")
    chosen = parser.parse_args()
    place = chosen.keep or Path(tempfile.mkdtemp(prefix="cryocohort-scale-"))
    place.mkdir(exist_ok=True)
    try:
        sizes = measured(
            sorted(chosen.sizes),
            place,
            chosen.through_gate,
            chosen.memory,
            has_spark=not chosen.duckdb_only,
        )
    finally:
        if chosen.keep is None:
            shutil.rmtree(place)
    slopes = tell_slopes(sizes)
    tell_layers(sizes)
    if not chosen.duckdb_only:
        tell_crossing(sizes)
    judged = demands(sizes, slopes, bytes_of(chosen.memory))
    for demand, holds in judged:
        print(f"{'holds' if holds else 'FAILS'}: {demand}")
    return 0 if all(holds for _, holds in judged) else 1


def measured(
    asked: Sequence[int], place: Path, through_gate: int, memory: str, *, has_spark: bool
) -> list[Size]:
    """Every size; those beyond the gate's limit are copies of the largest that passed it."""
    sizes: list[Size] = []
    landed: Path | None = None
    for resources in asked:
        print(f"{resources:,} resources; load {os.getloadavg()[0]:.1f}, memory_limit {memory}", flush=True)
        size, folder = Size(resources), place / str(resources)
        is_copy = landed is not None and resources > through_gate
        measure(size, folder, landed if is_copy else None, memory, has_spark=has_spark)
        landed = landed if is_copy else folder
        sizes.append(size)
    return sizes


if __name__ == "__main__":
    raise SystemExit(main())
