"""What does a whole refresh cost? Build, compute, check and publish for N patients, step by step, in one run.

    python -m benchmarks.refresh [--patients N]

A center with N patients (100,000 unless told), each with a Condition, a cryoablation of the cohort and four
pain scores, one in each window. All of it is landed and mapped into the flat tables, as a sync does; then the
four steps of `cryocohort refresh`, each for the first time: nothing of core is there, no figure is known.

Prints wall and CPU seconds of each step and the peak memory of the process. The exit code is 1 when the
steps take more than 60 seconds or 4 GiB together, or a check withholds the release.
"""

import argparse
import datetime as dt
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from benchmarks.mapping import observations
from benchmarks.remap import NOW, Resource, charts
from benchmarks.warehouse import Benchmark, chunks, peak_mib
from outcomes.refresh import refresh
from service.study import tables_to_trace
from warehouse.build import build, build_flat
from warehouse.connection import Transaction, Warehouse
from warehouse.publish import PublishInput, publish
from warehouse.quality import CheckResult, run_checks
from warehouse.runs import finish_run
from warehouse.trace import trace_run

STEPS = ("build", "compute", "check", "publish")
MOST_SECONDS, MOST_MIB = 60.0, 4096
DAYS = (-1, 1, 30, 240)


def pain_scores(patients: int) -> Iterator[Resource]:
    """Four pain scores of each patient, before the treatment of `charts` and in each window after it."""
    generated = observations(patients * 40, 1)
    scores = (each for each in generated if "valueInteger" in each or "valueQuantity" in each)
    for number, score in enumerate(islice(scores, patients * len(DAYS))):
        patient = number % patients
        day = dt.date(2010 + patient % 10, 3, 10) + dt.timedelta(days=DAYS[number // patients])
        yield score | {
            "subject": {"reference": f"Patient/p{patient}"},
            "effectiveDateTime": f"{day}T08:00:00+02:00",
            "issued": f"{day}T09:00:00.000Z",
        }


def land_all(benchmark: Benchmark, patients: int) -> None:
    for resources in (*charts(patients).values(), pain_scores(patients)):
        for chunk in chunks(resources):
            benchmark.timed("landing", lambda chunk=chunk: benchmark.land(chunk))


def run(benchmark: Benchmark, patients: int) -> Sequence[CheckResult]:
    """Everything once; returns what the checks found."""
    warehouse, run_id = benchmark.warehouse, benchmark.input.run_id
    land_all(benchmark, patients)

    def map_landed(transaction: Transaction) -> None:
        build_flat(transaction, benchmark.input, folder=warehouse.folder)

    def make_core(transaction: Transaction) -> None:
        build(transaction, benchmark.input, folder=warehouse.folder)

    def compute(transaction: Transaction) -> None:
        refresh(transaction, run_id)
        trace_run(transaction, run_id, tables_to_trace(), version="benchmark")

    benchmark.timed("mapping", lambda: benchmark.in_transaction(map_landed))
    benchmark.tell("landing", "mapping")
    benchmark.timed("build", lambda: benchmark.in_transaction(make_core))
    benchmark.timed("compute", lambda: benchmark.in_transaction(compute))
    checks: Sequence[CheckResult] = benchmark.timed("check", lambda: run_checks(warehouse, run_id))
    finish_run(warehouse, run_id, status="complete", now=NOW)
    told = PublishInput(run_id, NOW, "benchmark", {"a": bytes(range(32))}, 3, {})
    benchmark.timed("publish", lambda: publish(warehouse, told))
    benchmark.tell(*STEPS)
    return checks


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--patients", type=int, default=100_000)
    patients: int = parser.parse_args().patients
    print(f"{patients:,} patients, {7 * patients:,} resources; load {os.getloadavg()[0]:.1f}, two threads")
    folder = Path(tempfile.mkdtemp(prefix="cryocohort-refresh-"))
    try:
        with Warehouse.open(folder / "data", threads=2, memory_limit="3GB") as warehouse:
            benchmark = Benchmark(warehouse, folder)
            checks = run(benchmark, patients)
    finally:
        shutil.rmtree(folder)
    wall, cpu = (sum(getattr(benchmark.spent[step], what) for step in STEPS) for what in ("wall", "cpu"))
    print(
        f"refresh: {wall:.1f} s, {cpu:.1f} CPU s, peak {peak_mib():,.0f} MiB, load {os.getloadavg()[0]:.1f}"
    )
    withheld = [check.check for check in checks if check.withholds_release]
    holds = wall <= MOST_SECONDS and peak_mib() <= MOST_MIB and not withheld
    print(f"{'holds' if holds else 'FAILS'}: {MOST_SECONDS:g} s, {MOST_MIB} MiB; held by {withheld}")
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
