"""The clients that benchmarks.ingest compares; each imports its own packages only.

    python -m benchmarks.ingest_clients NAME BASE --batches B --concurrency C

Reads every Observation of B batches of patients and prints what that cost as one JSON object.
"""

import argparse
import datetime as dt
import gzip
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def queries(batches: int) -> list[Any]:
    """What a sync asks for the observations of these patients."""
    from benchmarks.page_server import LOINC_NPRS, PATIENTS_IN_A_BATCH, patient_id
    from ingest.query import CodeFilter, PatientFilter, Query

    codes = CodeFilter("code", (("http://loinc.org", LOINC_NPRS),))
    return [
        Query(
            "Observation",
            codes,
            PatientFilter("subject", "subject", tuple(patient_id(b, n) for n in range(PATIENTS_IN_A_BATCH))),
            (("_count", "200"),),
        )
        for b in range(batches)
    ]


def floor(base: str, batches: int, _concurrency: int) -> int:
    import requests

    count = 0
    with requests.Session() as session:
        for batch in range(batches):
            url: str | None = f"{base}/Observation?batch={batch}"
            while url:
                bundle = session.get(url, timeout=60).json()
                count += len(bundle["entry"])
                url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
    return count


def read(base: str, batches: int, concurrency: int) -> int:
    from concurrent.futures import ThreadPoolExecutor

    from ingest.client import FhirClient
    from ingest.gate_pool import GatePool
    from ingest.search import walk

    with (
        GatePool(os.cpu_count() or 1) as gate,
        FhirClient(our_center(base, concurrency), read=gate.read) as client,
        ThreadPoolExecutor(concurrency) as pool,
    ):
        return sum(
            pool.map(lambda query: sum(len(page.resources) for page in walk(client, query)), queries(batches))
        )


def sync(base: str, _batches: int, concurrency: int) -> int:
    from ingest.client import FhirClient
    from ingest.context import SyncContext
    from ingest.gate_pool import GatePool
    from ingest.sync import sync_center
    from mappings.terminology import code_map, load_center_map, load_codes
    from warehouse.connection import Warehouse
    from warehouse.runs import start_run

    codes = code_map(load_codes(), [load_center_map(ROOT / "config/centers/a/codes", "bench")])
    center = our_center(base, concurrency)
    with (
        tempfile.TemporaryDirectory() as folder,
        Warehouse.open(Path(folder) / "data", threads=2, memory_limit="1GB") as warehouse,
        GatePool(os.cpu_count() or 1) as gate,
        FhirClient(center, read=gate.read) as client,
    ):
        run_id = start_run(warehouse, kind="sync", now=now(), version="0", config_fingerprint="")
        report = sync_center(
            center, client, warehouse, SyncContext(run_id, codes, now, Silent(), lambda: False, gate)
        )
        if report.status != "complete":
            raise SystemExit(f"the sync was incomplete: {report.reasons}")
        return report.counts["Observation"].landed


class Silent:
    """Hears the progress and says nothing."""

    def landed(self, event: object) -> None:
        del event


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def our_center(base: str, concurrency: int) -> Any:
    from ingest.center import Center

    return Center("bench", "Bench", base, "R4", concurrency=concurrency)


def fhirpy(base: str, batches: int, _concurrency: int) -> int:
    from fhirpy import SyncFHIRClient

    client = SyncFHIRClient(base)
    return sum(
        1
        for batch in range(batches)
        for _ in client.resources("Observation").search(batch=str(batch)).limit(200)
    )


def fhir_pyrate(base: str, batches: int, concurrency: int) -> int:
    import logging

    from fhir_pyrate import Pirate

    logging.disable(logging.CRITICAL)
    pirate = Pirate(base_url=base, auth=None, num_processes=concurrency)
    return sum(
        len(bundle.entry)
        for batch in range(batches)
        for bundle in pirate.steal_bundles("Observation", {"batch": str(batch)})
    )


def smart_fetch(base: str, batches: int, _concurrency: int) -> int:
    from benchmarks.page_server import patient_id

    # It asks patient by patient; the server answers with the whole batch for the first patient of each.
    patients = ",".join(patient_id(batch, 0) for batch in range(batches))
    with tempfile.TemporaryDirectory() as folder:
        command = [str(Path(sys.executable).parent / "smart-fetch"), "crawl", "--fhir-url", base]
        command += ["--type", "Observation", "--no-default-filters", "--id-list", patients, folder]
        subprocess.run(command, check=True, capture_output=True)
        return sum(sum(1 for _ in gzip.open(path)) for path in Path(folder).glob("Observation.*ndjson.gz"))


CLIENTS: dict[str, Callable[[str, int, int], int]] = {
    "floor": floor,
    "read": read,
    "sync": sync,
    "fhirpy": fhirpy,
    "fhir_pyrate": fhir_pyrate,
    "smart_fetch": smart_fetch,
}


def run_here(name: str, base: str, batches: int, concurrency: int) -> None:
    """Run one client in this process and print what it cost, as JSON.

    It reads one batch before: what is compared is reading, not importing packages and starting processes.
    """
    CLIENTS[name](base, 1, concurrency)
    started, cpu = time.perf_counter(), cpu_seconds()
    count = CLIENTS[name](base, batches, concurrency)
    print(
        json.dumps(
            {
                "resources": count,
                "seconds": time.perf_counter() - started,
                "cpu": cpu_seconds() - cpu,
                "peak_mb": peak_mb(),
            }
        )
    )


def cpu_seconds() -> float:
    """Of this process; who started it watches its descendants."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=CLIENTS)
    parser.add_argument("base")
    parser.add_argument("--batches", type=int, required=True)
    parser.add_argument("--concurrency", type=int, required=True)
    told = parser.parse_args()
    run_here(told.name, told.base, told.batches, told.concurrency)


if __name__ == "__main__":
    main()
