"""Our own way to the core tables: a sync, then the flat and the core tables."""

import time
from pathlib import Path

from benchmarks.ingest_clients import Silent, now
from ingest.center import Center
from ingest.client import FhirClient
from ingest.context import SyncContext
from ingest.gate_pool import GatePool
from ingest.sync import sync_center
from mappings.terminology import load_aliases
from service.configuration import load_settings
from service.study import study_codes, study_rules
from warehouse.build import BuildCenter, BuildInput, build, build_flat
from warehouse.connection import Warehouse
from warehouse.runs import start_run

ROOT = Path(__file__).parents[1]


def night(center: Center, out: Path, gate: GatePool) -> dict[str, float]:
    """One night of center `a` into the warehouse in OUT/data; wall seconds of its steps.

    Everything that a night does up to the core tables; raises SystemExit when the sync is incomplete.
    """
    settings = load_settings(ROOT / "config")
    codes = [code for code in study_codes(settings) if code.center_id == "a"]
    steps = _Steps()
    with (
        Warehouse.open(out / "data", threads=2, memory_limit="900MB") as warehouse,
        FhirClient(center, read=gate.read) as client,
    ):
        run_id = start_run(warehouse, kind="sync", now=now(), version="0", config_fingerprint="")
        context = SyncContext(run_id, codes, now, Silent(), lambda: False, gate)
        report = sync_center(center, client, warehouse, context)
        if report.status != "complete":
            raise SystemExit(f"the sync was incomplete: {report.reasons} {report.error}")
        steps.end("sync")
        about = [BuildCenter("a", center.base_url, "R4")]
        told = BuildInput(run_id, about, codes, load_aliases(), study_rules(settings.file))
        for name, work in (("flat", build_flat), ("core", build)):
            with warehouse.transaction() as transaction:
                work(transaction, told, folder=warehouse.folder)
            steps.end(name)
    return steps.seconds


class _Steps:
    """Wall seconds of one step after the other."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = time.perf_counter()

    def end(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name], self._since = now - self._since, now
