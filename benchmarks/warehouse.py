"""What does the warehouse cost? Landing, a rebuild, a night with few changes and a release, in one run.

    python -m benchmarks.warehouse [--observations N] [--changed K] [--seed SEED]

A center with N Observations (1,000,000 unless told) of N/20 patients, each of whom has a Condition and a
Procedure of the cohort:

- bare append: the resources, judged and minimised already, appended to one DuckDB table by Arrow, 2,000 in
  a transaction: no ledger, no hashes compared, no segments;
- landing: the same resources landed as a sync does it, into raw segments and the ledger;
- full rebuild: flat and core tables from the raw segments, as if nothing had been built;
- a night: K Observations (1,000) have changed and were landed; flat and core tables are brought up to date;
- publish: the pseudonymized release of the result.

Prints wall and CPU seconds, sizes and the peak memory of the process, and what is demanded: half the speed of
the bare append, a night for a twentieth of the rebuild, 4 GiB. The exit code is 1 when one does not hold. A
night whose tables differ from a rebuild's measures nothing.
"""

import argparse
import datetime as dt
import resource
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from benchmarks.mapping import observations
from benchmarks.remap import NOW, Measured, Resource, charts, minimised
from ingest.landing import CHUNK_RESOURCES
from service.garbage import collect_rarely
from warehouse.build import BuiltTable, build, build_flat
from warehouse.connection import Transaction, Warehouse
from warehouse.land import Landed, Unit, land
from warehouse.publish import PublishInput, publish
from warehouse.runs import finish_run

ROOT = Path(__file__).parents[1]
LEAST_OF_BARE, MOST_OF_REBUILD, MOST_MIB = 0.5, 1 / 20, 4096
MEBIBYTE = 1024 * 1024


def chunks(resources: Iterator[Resource]) -> Iterator[list[Landed]]:
    """Resources as the gate hands them on, as many as land together."""
    while chunk := [minimised(each) for each in islice(resources, CHUNK_RESOURCES)]:
        yield chunk


class BareAppend:
    """One DuckDB table that everything is appended to."""

    def __init__(self, file: Path) -> None:
        self._connection = duckdb.connect(str(file), config={"threads": 2, "memory_limit": "4GB"})
        self._connection.execute(
            "CREATE TABLE version (center_id TEXT, resource_type TEXT, resource_id TEXT, version_id TEXT, "
            "last_updated TIMESTAMP WITH TIME ZONE, content_hash TEXT, run_id INTEGER, body TEXT)"
        )

    def append(self, chunk: Sequence[Landed]) -> None:
        names = list(Landed._fields)
        columns = {name: [getattr(each, name) for each in chunk] for name in names}
        incoming = pa.table(columns | {"center_id": ["a"] * len(chunk), "run_id": [1] * len(chunk)})
        self._connection.register("incoming", incoming)
        self._connection.execute("INSERT INTO version BY NAME FROM incoming")
        self._connection.unregister("incoming")

    def close(self) -> None:
        self._connection.close()


class Benchmark(Measured):
    """Landing, builds, a night and a release."""

    def land(self, chunk: Sequence[Landed]) -> None:
        unit = Unit(self.input.run_id, "a", chunk[0].resource_type, len(chunk), chunk, NOW)
        land(self.warehouse, unit)

    def land_beside_bare(self, count: int, seed: int) -> None:
        """The same Observations by both ways, chunk by chunk; making them up is not counted."""
        bare = BareAppend(self.folder / "bare.duckdb")
        for chunk in chunks(observations(count, seed)):
            self.timed("bare append", lambda chunk=chunk: bare.append(chunk))
            self.timed("landing", lambda chunk=chunk: self.land(chunk))
        self.timed("bare append", bare.close)
        self.tell("bare append", "landing")

    def in_transaction(self, work: Callable[[Transaction], Any]) -> Any:
        with self.warehouse.transaction() as transaction:
            return work(transaction)

    def build(self, name: str) -> dict[str, BuiltTable]:
        """Bring everything up to date as a night does: flat tables first, then the rest."""
        folder = self.warehouse.folder
        for step, work in ((f"{name}: flat", build_flat), (f"{name}: the rest", build)):
            run = lambda work=work: self.in_transaction(lambda t: work(t, self.input, folder=folder))  # noqa: E731
            tables = self.timed(step, run)
        self.spent[name] = self.spent[f"{name}: flat"] + self.spent[f"{name}: the rest"]
        self.tell(f"{name}: flat", f"{name}: the rest", name)
        return {built.table: built for built in tables}

    def forget_builds(self) -> None:
        """The next build makes everything anew from the raw segments."""
        self.in_transaction(
            lambda t: t.execute(
                "DELETE FROM ops.flat_head; DELETE FROM ops.flat_fill; DELETE FROM ops.built_from"
            )
        )

    def fingerprints(self) -> dict[str, tuple[int, int]]:
        """Rows and an order-free fingerprint of every flat and core table."""
        names = self.warehouse.rows(
            "SELECT schema_name || '.' || table_name AS name FROM duckdb_tables() "
            "WHERE schema_name IN ('flat', 'core') ORDER BY name"
        )
        found = {}
        for name in (row["name"] for row in names):
            (row,) = self.warehouse.rows(f"SELECT count(*) AS n, sum(hash(made)) AS h FROM {name} AS made")
            found[name] = (row["n"], row["h"])
        return found

    def publish(self) -> Path:
        finish_run(self.warehouse, self.input.run_id, status="complete", now=NOW)
        told = PublishInput(self.input.run_id, NOW, "benchmark", {"a": bytes(range(32))}, 3, {})
        release = self.timed("publish", lambda: publish(self.warehouse, told))
        self.tell("publish")
        path: Path = release.path
        return path

    def tell(self, *names: str) -> None:
        for name in names:
            spent = self.spent[name]
            print(f"{name:>26}  {spent.wall:8.2f} s  {spent.cpu:8.2f} CPU s", flush=True)


def run(benchmark: Benchmark, count: int, changed: int, seed: int) -> None:
    """Every kind of work once, in the order of the page."""
    for resources in charts(1 + count // 20).values():
        for chunk in chunks(resources):
            benchmark.land(chunk)
    benchmark.land_beside_bare(count, seed)
    assert benchmark.build("first build")["flat.observation"].rows == count
    benchmark.forget_builds()
    benchmark.build("full rebuild")
    later = NOW + dt.timedelta(days=1)
    for chunk in chunks(
        each | {"status": "corrected"} for each in islice(observations(count, seed), changed)
    ):
        newer = [each._replace(version_id="2", last_updated=later) for each in chunk]
        benchmark.timed("a night: landing", lambda newer=newer: benchmark.land(newer))
    benchmark.tell("a night: landing")
    benchmark.build("a night")
    made = benchmark.fingerprints()
    release = benchmark.publish()
    tell_sizes(benchmark, release)
    tell_demands(benchmark)
    benchmark.forget_builds()
    benchmark.in_transaction(lambda t: build(t, benchmark.input, folder=benchmark.warehouse.folder))
    assert benchmark.fingerprints() == made, "the night differs from a rebuild: nothing was measured"


def tell_sizes(benchmark: Benchmark, release: Path) -> None:
    places = {
        "bare table": [benchmark.folder / "bare.duckdb"],
        "raw segments": (benchmark.warehouse.folder / "raw").rglob("*.parquet"),
        "work.duckdb": [benchmark.warehouse.folder / "work.duckdb"],
        "release": (each for each in release.rglob("*") if each.is_file()),
    }
    for name, files in places.items():
        print(f"{name:>26}  {sum(file.stat().st_size for file in files) / MEBIBYTE:8.1f} MiB")


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def demands(benchmark: Benchmark) -> list[tuple[str, float, bool]]:
    spent = benchmark.spent
    landing = spent["bare append"].cpu / spent["landing"].cpu
    night = spent["a night"].cpu / spent["full rebuild"].cpu
    return [
        (f"landing at least {LEAST_OF_BARE} of the bare append's speed", landing, landing >= LEAST_OF_BARE),
        (f"a night at most {MOST_OF_REBUILD} of the full rebuild", night, night <= MOST_OF_REBUILD),
        (f"peak memory at most {MOST_MIB} MiB", peak_mib(), peak_mib() <= MOST_MIB),
    ]


def tell_demands(benchmark: Benchmark) -> None:
    for demand, measured, holds in demands(benchmark):
        print(f"{'holds' if holds else 'FAILS'}: {demand}: {measured:.3f}")


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--observations", type=int, default=1_000_000)
    arguments.add_argument("--changed", type=int, default=1_000)
    arguments.add_argument("--seed", type=int, default=1)
    chosen = arguments.parse_args()
    collect_rarely()
    print(f"{chosen.observations:,} Observations of {1 + chosen.observations // 20:,} patients, two threads")
    folder = Path(tempfile.mkdtemp(prefix="cryocohort-warehouse-"))
    try:
        with Warehouse.open(folder / "data", threads=2, memory_limit="3GB") as warehouse:
            benchmark = Benchmark(warehouse, folder)
            run(benchmark, chosen.observations, chosen.changed, chosen.seed)
            is_good = all(holds for _, _, holds in demands(benchmark))
    finally:
        shutil.rmtree(folder)
    sys.exit(0 if is_good else 1)


if __name__ == "__main__":
    main()
