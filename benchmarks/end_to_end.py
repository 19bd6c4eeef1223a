"""From FHIR to tables that an analyst can query: ours, its peers and the floor, side by side in one run.

    python -m benchmarks.end_to_end [--patients N ...] [--served N ...] [--rounds R] [--ways WAY ...]
        [--page-ways WAY ...] [--environments DIR]

NDJSON files with 70 mixed resources a patient (benchmarks/mixed.py), by every way of
benchmarks/end_to_end_ways.py, each in a process of its own:

- floor: DuckDB's JSON reader and a projection written by hand; nothing is checked, kept or repeatable;
- ours, ours_without_gate: landed with its raw layer and ledger, then flat and core tables;
- orjson_arrow, fhir_resources: the scripts that people write, without and with a model for each resource;
- fhir_pyrate, fhir4ds, cumulus_etl, spark: in environments that this script makes in DIR with `uv`; a peer
  that cannot be installed or does not run is told so.

And from a local server with pages of 200, by the ways of benchmarks/end_to_end_pages.py.

A result that differs from the floor's to the letter is told; cumulus-etl replaces the ids, so of its result
the counts and the sum of the scores are compared. Prints resources a second, CPU seconds, peak memory of the
process and those it started, the ratio to the floor, and what is demanded.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.end_to_end_pages import PAGE_WAYS
from benchmarks.end_to_end_views import COLUMNS, OURS, READ_AS, SELECTS, TABLES
from benchmarks.end_to_end_ways import WAYS
from benchmarks.mixed import PER_PATIENT, write
from benchmarks.watching import watched

ROOT = Path(__file__).parents[1]
NEXT_NIGHTS = ("unchanged_pages", "resent_pages")  # each in the warehouse that the night before has left
PACKAGES: Mapping[str, tuple[str, ...]] = {
    "fhir_pyrate": ("fhir-pyrate==0.2.6", "duckdb==1.5.5"),
    "fhir4ds": ("fhir4ds-v2==0.0.17",),
    "cumulus_etl": ("cumulus-etl==4.3.6",),
    "spark": ("pyspark==4.3.0",),
}
TIMES_CUMULUS, SHARE_OF_FLOOR, MOST_MB, TIMES_PAGING = 10, 1 / 6, 1536, 1.3


@dataclass(frozen=True)
class Measured:
    """What one way cost, and what it made: rows and a digest of each table."""

    seconds: float
    cpu: float
    peak_mb: float
    steps: Mapping[str, float]
    made: Mapping[str, tuple[Any, ...]]


def interpreter(way: str, environments: Path) -> str | None:
    """The Python that a way runs under; None, and the reason is told, where its packages cannot be had."""
    if way not in PACKAGES:
        return sys.executable
    folder = environments / way
    python = folder / "bin" / "python"
    if not (folder / "installed").exists():
        uv = [sys.executable, "-m", "uv"]
        for command in (
            [*uv, "venv", "--quiet", "--clear", str(folder)],
            [*uv, "pip", "install", "--quiet", "--python", str(python), *PACKAGES[way]],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"  {way}: cannot be installed ({_last_line(done.stderr)})", flush=True)
                return None
        (folder / "installed").touch()
    return str(python)


def measured(way: str, python: str, source: str, out: Path) -> Measured | None:
    """One run of a way from its source into OUT; None, and the reason is told, when it does not run."""
    with tempfile.TemporaryFile("w+") as err:
        command = [python, "-m", "benchmarks.end_to_end_ways", way, source, str(out)]
        running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=err, cwd=ROOT, env=_environment())
        peak, children = watched(running)
        said = running.stdout.read().decode() if running.stdout else ""
        if running.returncode:
            err.seek(0)
            print(f"  {way}: did not run ({_last_line(err.read())})", flush=True)
            return None
    told = json.loads(said.splitlines()[-1])
    made = {} if way == "paging" else {table: _digest(way, out, table) for table in TABLES}
    peak_mb = max(peak / 2**20, told["peak_mb"])
    return Measured(told["seconds"], told["cpu"] + children, peak_mb, told["steps"], made)


def _environment() -> dict[str, str]:
    """Ours, but modules may be kept compiled: compiling them in every process is not what is compared."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _digest(way: str, out: Path, table: str) -> tuple[Any, ...]:
    relation, file = _result(way, out, table)
    columns = ", ".join(f'"{name}"' for name in COLUMNS[table])
    score = 'sum("value")' if "value" in COLUMNS[table] else "0"
    with duckdb.connect(str(file), read_only=file != ":memory:") as connection:
        found = connection.execute(
            f"SELECT count(*), {score}, bit_xor(hash({columns})) FROM ({relation})"
        ).fetchone()
    return found or ()


def _result(way: str, out: Path, table: str) -> tuple[str, Path | str]:
    """The rows that a way made of a table, and the database that they are in."""
    if way.startswith("ours") or way in NEXT_NIGHTS:
        return OURS[table], out / "data" / "work.duckdb"
    if way == "spark":
        return f"FROM '{out}/{table.lower()}.parquet/*.parquet'", ":memory:"
    if way == "cumulus_etl":
        columns = ", ".join(f"\"{name}\": '{kind}'" for name, kind in READ_AS[table].items())
        files = f"read_ndjson('{out}/etl/{table.lower()}/*.ndjson', columns = {{{columns}}})"
        return f"SELECT {SELECTS[table]} FROM {files}", ":memory:"
    return f"FROM {table.lower()}", out / "made.duckdb"


def compare(told: argparse.Namespace, patients: int, environments: Path) -> bool:
    """From files, the fastest of several rounds of each way, in turns; whether what is demanded holds."""
    with tempfile.TemporaryDirectory(prefix="cryocohort-") as data:
        count = write(Path(data), patients)
        print(f"{count:,} resources in NDJSON files", flush=True)
        best = best_of(told.ways, told.rounds, data, environments)
    tell(best, count, best["floor"])
    return tell_demands(best)


def compare_pages(told: argparse.Namespace, patients: int, environments: Path) -> bool:
    """The same from a server, and the nights after a first one."""
    count = patients * PER_PATIENT
    print(f"{count:,} resources from a server in pages of 200", flush=True)
    with served(patients) as base:
        best = best_of(told.page_ways, told.rounds, base, environments)
    tell(best, count, best["floor_pages"])
    return tell_page_demands(best)


def best_of(ways: Sequence[str], rounds: int, source: str, environments: Path) -> dict[str, Measured]:
    """The fastest of several rounds of each way that can be run, in turns."""
    best: dict[str, Measured] = {}
    pythons = {way: interpreter(way.removesuffix("_pages"), environments) for way in ways}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="cryocohort-") as folder:
            for way in ways:
                out = Path(folder, "ours_pages" if way in NEXT_NIGHTS else way)
                out.mkdir(exist_ok=True)
                python = pythons[way]
                found = measured(way, python, source, out) if python is not None else None
                if not way.startswith("ours") and way not in NEXT_NIGHTS:
                    shutil.rmtree(out)
                if found is None:
                    pythons[way] = None
                else:
                    best[way] = min(found, best.get(way, found), key=lambda each: each.seconds)
    return best


@contextmanager
def served(patients: int) -> Iterator[str]:
    """The base URL of a server that holds the resources of so many patients."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "benchmarks.mixed_server", str(port), "--patients", str(patients)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
    try:
        if server.stdout is None or server.stdout.readline() != b"ready\n":
            raise SystemExit("the server did not start")
        yield f"http://127.0.0.1:{port}/fhir"
    finally:
        server.terminate()
        server.wait()


def tell(best: Mapping[str, Measured], count: int, floor: Measured) -> None:
    for way, found in best.items():
        steps = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in found.steps.items())
        print(
            f"  {way:<18}{count / found.seconds:>9,.0f} resources/s  "
            f"{floor.seconds / found.seconds:>6.3f} of the floor  {found.cpu:>7.1f} CPU s  "
            f"{found.peak_mb:>6,.0f} MB  {_equality(way, found, floor)}{f' ({steps})' if steps else ''}",
            flush=True,
        )


def _equality(way: str, found: Measured, floor: Measured) -> str:
    if way == "paging":
        return "makes nothing"
    if found.made == floor.made:
        return "equal"
    counts = {table: told[:2] for table, told in found.made.items()}
    if counts == {table: told[:2] for table, told in floor.made.items()}:
        return "equal counts and sums"
    return f"DIFFERS: {counts}"


def tell_demands(best: Mapping[str, Measured]) -> bool:
    """Print what is demanded of ours and whether it holds."""
    ours, floor, cumulus = best.get("ours"), best["floor"], best.get("cumulus_etl")
    if ours is None:
        return True
    told = [
        ("at least a sixth of the floor", floor.seconds / ours.seconds >= SHARE_OF_FLOOR),
        (f"peak memory under {MOST_MB} MB", ours.peak_mb < MOST_MB),
        ("the same tables as the floor", ours.made == floor.made),
    ]
    if cumulus is not None:
        told.append((f"{TIMES_CUMULUS} times cumulus-etl", cumulus.seconds / ours.seconds >= TIMES_CUMULUS))
    return _told(told)


def tell_page_demands(best: Mapping[str, Measured]) -> bool:
    """Print what is demanded of a night that brings nothing new and whether it holds."""
    paging, floor, told = best.get("paging"), best["floor_pages"], list[tuple[str, bool]]()
    for way, found in best.items():
        if way in NEXT_NIGHTS and paging is not None:
            times = found.seconds / paging.seconds
            demand = f"{way.removesuffix('_pages')}: a night in {TIMES_PAGING} of the paging ({times:.2f})"
            told.append((demand, times <= TIMES_PAGING))
        if way.startswith("ours") or way in NEXT_NIGHTS:
            told.append((f"{way}: the same tables as the floor", found.made == floor.made))
    return _told(told)


def _told(demands: Sequence[tuple[str, bool]]) -> bool:
    for demand, holds in demands:
        print(f"{'holds' if holds else 'FAILS'}: {demand}")
    return all(holds for _, holds in demands)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no word"])[-1][:300]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--patients", type=int, nargs="*", default=[2_000, 14_286], help="in files")
    parser.add_argument("--served", type=int, nargs="*", default=[2_000], help="patients, from a server")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--page-ways", nargs="+", choices=PAGE_WAYS, default=list(PAGE_WAYS))
    parser.add_argument("--environments", type=Path, help="kept there for the next run")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cryocohort-") as folder:
        environments = told.environments or Path(folder)
        holds = [compare(told, patients, environments) for patients in told.patients]
        holds += [compare_pages(told, patients, environments) for patients in told.served]
    sys.exit(0 if all(holds) else 1)


if __name__ == "__main__":
    main()
