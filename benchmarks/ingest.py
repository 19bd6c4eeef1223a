"""How fast is FHIR read? The same prepared pages, by several clients, side by side in one run.

    python -m benchmarks.ingest [--resources N ...] [--latency-ms L ...] [--concurrency C] [--rounds R]
                                [--peers PYTHON]

- floor: a bare loop of `requests`, page after page, `response.json()`, nothing checked;
- read: our client and walk with everything they check, up to the gate, `--concurrency` queries at a time;
- sync: a whole sync into a new warehouse: judged, minimised, landed, watermarks moved;
- fhirpy, fhir_pyrate, smart_fetch: as far as the interpreter `--peers` has them.

Each runs in a process of its own (benchmarks/ingest_clients.py) against a server that only sends prepared
bytes (benchmarks/page_server.py), reads one batch to warm up, and must read every resource. Prints resources
a second, the ratio to the floor, CPU seconds, and the peak memory of the process and those it started, what
they share counted once. The CPU seconds of the process alone tell how fast it can be where cores are free.

Whether memory grows with the data: --resources 20000 100000 500000 --clients sync --latency-ms 0 --rounds 1
"""

import argparse
import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

from benchmarks.watching import watched

ROOT = Path(__file__).parents[1]
BATCH_RESOURCES = 2_500  # fifty patients with fifty observations each
PEERS = ("fhirpy", "fhir_pyrate", "smart_fetch")
CLIENTS = ("floor", "read", "sync", *PEERS)


@contextmanager
def served(resources: int, batches: int, latency_ms: float) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "benchmarks.page_server", str(port)]
    command += ["--resources", str(resources), "--batches", str(batches), "--latency-ms", str(latency_ms)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
    try:
        if server.stdout is None or server.stdout.readline() != b"ready\n":
            raise SystemExit("the page server did not start")
        yield f"http://127.0.0.1:{port}/fhir"
    finally:
        server.terminate()
        server.wait()


def measured(name: str, base: str, batches: int, told: argparse.Namespace) -> dict[str, float] | None:
    """What a client cost in a process of its own; None when its package is not installed."""
    python = told.peers if name in PEERS else sys.executable
    if python is None:
        return None
    command = [python, "-m", "benchmarks.ingest_clients", name, base, "--batches", str(batches)]
    command += ["--concurrency", str(told.concurrency)]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        running = subprocess.Popen(command, stdout=out, stderr=err, cwd=ROOT)
        peak, children = watched(running)
        out.seek(0)
        err.seek(0)
        if running.returncode:
            last = err.read().decode().strip().splitlines()[-1:]
            print(f"  {name}: did not run ({' '.join(last)})")
            return None
        result: dict[str, float] = json.loads(out.read().decode().splitlines()[-1])
    return result | {
        "peak_mb": max(peak / 2**20, result["peak_mb"]),
        "parent": result["cpu"],
        "cpu": result["cpu"] + children,
    }


def compare(told: argparse.Namespace, resources: int, latency_ms: float) -> None:
    """The fastest of several rounds of each client, in turns: other work on the machine comes and goes."""
    batches = resources // BATCH_RESOURCES
    print(f"{resources:,} resources, {latency_ms:g} ms a page of 200, {told.concurrency} queries at a time")
    best: dict[str, dict[str, float]] = {}
    with served(resources, batches, latency_ms) as base:
        for name in [*told.clients] * told.rounds:
            found = measured(name, base, batches, told)
            if found is None:
                continue
            if found["resources"] != batches * BATCH_RESOURCES:
                raise SystemExit(f"{name} read {found['resources']} resources")
            best[name] = min(found, best.get(name, found), key=lambda each: each["seconds"])
    for name, found in best.items():
        ratio = best["floor"]["seconds"] / found["seconds"] if "floor" in best else 1.0
        print(
            f"  {name:<12}{found['resources'] / found['seconds']:>9,.0f} resources/s"
            f"  {ratio:>5.2f} of the floor  {found['cpu']:>7.1f} CPU s ({found['parent']:.1f} in one process)"
            f"  {found['peak_mb']:>7,.0f} MB",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--resources", type=int, nargs="+", default=[50_000], help="multiples of 2,500")
    parser.add_argument("--latency-ms", type=float, nargs="+", default=[0.0, 50.0])
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", help="a Python that has fhirpy, fhir-pyrate and smart-fetch installed")
    parser.add_argument("--clients", nargs="+", choices=CLIENTS, default=list(CLIENTS))
    told = parser.parse_args()
    for resources, latency_ms in product(told.resources, told.latency_ms):
        compare(told, resources, latency_ms)


if __name__ == "__main__":
    main()
