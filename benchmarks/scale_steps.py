"""The steps of `scale.py`, each in a process of its own: what it cost goes to standard output as JSON lines.

    python -m benchmarks.scale_steps STEP FOLDER [--resources N] [--from FOLDER] [--memory LIMIT]

`land` makes charts and pain scores up and lands them through the gate. `grow` copies the landed resources
of another warehouse under new ids, as raw Parquet, without the gate. `duckdb` maps, builds, computes and
publishes as a night does; `spark` does the same but the last with Spark, from the same raw Parquet.
"""

import argparse
import json
import math
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.refresh import pain_scores
from benchmarks.remap import NOW, UNIT, accepted, charts
from benchmarks.warehouse import Benchmark
from benchmarks.watching import cpu_seconds, family
from outcomes.refresh import refresh
from outcomes.results import MetricResult
from warehouse.build import build, build_flat
from warehouse.connection import Transaction, Warehouse
from warehouse.engines.session import SparkPlace
from warehouse.engines.spark import spark_engine
from warehouse.flat_plan import plan_flat
from warehouse.publish import PublishInput, publish
from warehouse.runs import finish_run, start_run
from warehouse.segments import checksum

RESOURCES_OF_A_PATIENT = 7
MASTER, SPARK_MEMORY = "local[2]", "8GB"

_COPIES = r"""
COPY (
    SELECT
        center_id,
        resource_type,
        concat('k', copies.k, '-', resource_id) AS resource_id,
        version_id,
        last_updated,
        sha256(concat(copies.k, content_hash)) AS content_hash,
        1::INTEGER AS run_id,
        regexp_replace(
            regexp_replace(body, '"(Patient|Condition|Procedure)/', concat('"\1/k', copies.k, '-'), 'g'),
            '"id":"', concat('"id":"k', copies.k, '-')
        ) AS body
    FROM read_parquet(?) CROSS JOIN (SELECT unnest(range(?, ?)) AS k) AS copies
) TO '{target}' (FORMAT parquet, COMPRESSION zstd)
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one piece of work took, CPU seconds of this process and all that it started."""

    work: str
    engine: str
    wall: float
    cpu: float


def cpu_now() -> float:
    _, *started = family(os.getpid())
    return time.process_time() + sum(map(cpu_seconds, started))


def timed(work: str, engine: str, do: Callable[[], Any]) -> Any:
    wall, cpu = time.perf_counter(), cpu_now()
    made = do()
    tell(asdict(Cost(work, engine, time.perf_counter() - wall, cpu_now() - cpu)))
    return made


def tell(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


def land_resources(folder: Path, resources: int, memory: str) -> None:
    with Warehouse.open(folder / "data", threads=2, memory_limit=memory) as warehouse:
        benchmark = Benchmark(warehouse, folder)
        patients = math.ceil(resources / RESOURCES_OF_A_PATIENT)
        for made_up in (*charts(patients).values(), pain_scores(patients)):
            while bodies := [json.dumps(each).encode() for each in islice(made_up, UNIT)]:
                landed = benchmark.timed("landing", lambda bodies=bodies: accepted(bodies))
                benchmark.timed("landing", lambda landed=landed: benchmark.land(landed))
        spent = benchmark.spent["landing"]
        tell(asdict(Cost("landing", "-", spent.wall, spent.cpu)))


def grow(folder: Path, resources: int, base: Path, memory: str) -> None:
    """Raw Parquet of so many resources: those of `base` again and again under other ids."""
    with Warehouse.open(base / "data") as warehouse:
        counted = warehouse.rows(
            "SELECT resource_type, count(*) AS n FROM ops.head GROUP BY ALL ORDER BY ALL"
        )
    copies = math.ceil(resources / sum(row["n"] for row in counted))
    data = folder / "data"
    with Warehouse.open(data, threads=2, memory_limit=memory) as warehouse:
        start_run(warehouse, kind="sync", now=NOW, version="benchmark", config_fingerprint="")
        for row in counted:
            files = str(base / "data" / "raw" / "a" / row["resource_type"] / "*" / "*.parquet")
            written = [_segment(data, row["resource_type"], files, k) for k in range(copies)]
            with warehouse.transaction() as transaction:
                _note(transaction, data, row, written)


def _segment(data: Path, resource_type: str, files: str, k: int) -> Path:
    target = data / "raw" / "a" / resource_type / "run=1" / f"{k}.parquet"
    target.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute(_COPIES.format(target=target), [files, k, k + 1])
    return target


def _note(transaction: Transaction, data: Path, row: dict[str, Any], written: list[Path]) -> None:
    listed = [
        {
            "run_id": 1,
            "center_id": "a",
            "resource_type": row["resource_type"],
            "path": str(path.relative_to(data)),
            "versions": row["n"],
            "sha256": checksum(path),
        }
        for path in written
    ]
    transaction.insert("ops.segment", listed)
    transaction.execute(
        "INSERT INTO ops.head BY NAME SELECT center_id, resource_type, resource_id, version_id, "
        "last_updated, content_hash, run_id, substr(filename, length(?) + 2) AS path "
        "FROM read_parquet(?, filename = TRUE, hive_partitioning = FALSE)",
        [str(data), [str(path) for path in written]],
    )


def on_duckdb(folder: Path, memory: str) -> None:
    """A night's steps, each for the first time."""
    with Warehouse.open(folder / "data", threads=2, memory_limit=memory) as warehouse:
        benchmark = Benchmark(warehouse, folder)
        data, run_id = warehouse.folder, benchmark.input.run_id

        def step(name: str, work: Callable[[Transaction], Any]) -> Any:
            return timed(name, "DuckDB", lambda: benchmark.in_transaction(work))

        step("views", lambda t: build_flat(t, benchmark.input, folder=data))
        step("core", lambda t: build(t, benchmark.input, folder=data))
        results = step("metrics", lambda t: refresh(t, run_id))
        write_results(folder / "duckdb.json", results)
        finish_run(warehouse, run_id, status="complete", now=NOW)
        told = PublishInput(run_id, NOW, "benchmark", {"a": bytes(range(32))}, 3, {})
        release = timed("publish", "DuckDB", lambda: publish(warehouse, told))
        (heads,) = warehouse.rows("SELECT count(*) AS n FROM ops.head")
    places = {"raw": data / "raw", "work": data / "work.duckdb", "release": release.path}
    tell({"bytes": {name: size(place) for name, place in places.items()}, "resources": heads["n"]})


def size(place: Path) -> int:
    files = [place] if place.is_file() else [path for path in place.rglob("*") if path.is_file()]
    return sum(path.stat().st_size for path in files)


def on_spark(folder: Path, memory: str) -> None:
    """The same on the warehouse that DuckDB has built: every table is made again, by Spark."""
    with Warehouse.open(folder / "data", threads=2, memory_limit=memory) as warehouse, ExitStack() as stack:
        told, data = Benchmark(warehouse, folder).input, warehouse.folder
        parts = plan_flat(told.centers, told.sources.views)
        transaction = stack.enter_context(warehouse.transaction())
        place = SparkPlace(MASTER, SPARK_MEMORY)
        engine = timed(
            "start", "Spark", lambda: stack.enter_context(spark_engine(transaction, data, place, parts))
        )
        timed("views, core", "Spark", lambda: build(transaction, told, folder=data, engine=engine))
        results = timed("metrics", "Spark", lambda: refresh(transaction, told.run_id, engine))
        write_results(folder / "spark.json", results)


def write_results(file: Path, results: list[MetricResult]) -> None:
    """What two engines must agree on, by metric, group and statistic."""
    told = {
        f"{one.metric} {one.group} {one.statistic}": [
            one.value, one.ci_low, one.ci_high, one.n, one.numerator, one.denominator
        ]
        for one in results
    }  # fmt: skip
    file.write_text(json.dumps(told), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=["land", "grow", "duckdb", "spark"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--resources", type=int, default=0)
    parser.add_argument("--from", dest="base", type=Path)
    parser.add_argument("--memory", default="1GB")
    chosen = parser.parse_args()
    match chosen.step:
        case "land":
            land_resources(chosen.folder, chosen.resources, chosen.memory)
        case "grow":
            grow(chosen.folder, chosen.resources, chosen.base, chosen.memory)
        case "duckdb":
            on_duckdb(chosen.folder, chosen.memory)
        case "spark":
            on_spark(chosen.folder, chosen.memory)


if __name__ == "__main__":
    main()
