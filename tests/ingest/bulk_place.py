"""A bulk server, a warehouse and the nights between, for the tests of syncs by export."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from ingest.client import FhirClient
from ingest.context import ReconcileRules, SyncContext, UnitLanded
from ingest.export_landing import ExportLanding
from ingest.gate_pool import GatePool
from ingest.source import ByExport
from ingest.sync import CenterReport, sync_center
from ingest.tally import Tally
from tests.ingest.bulk_server import BulkServer
from tests.ingest.examples import CODE_MAP, QUICK, center
from warehouse.connection import Warehouse
from warehouse.exports import OpenExport, open_exports
from warehouse.land import coverage
from warehouse.runs import start_run

GATE = GatePool(1, in_place=1_000_000)


class Silent:
    """Progress that nobody watches."""

    def landed(self, event: UnitLanded) -> None:
        """Nothing to show."""


@dataclass
class Place:
    """Our clock runs `ahead` of the server's."""

    server: BulkServer
    warehouse: Warehouse
    source: ByExport = field(default_factory=ByExport)
    ahead: dt.timedelta = dt.timedelta(seconds=5)
    is_stopping: Any = bool
    rules: ReconcileRules = field(default_factory=ReconcileRules)

    @property
    def now(self) -> dt.datetime:
        return self.server.clock + self.ahead

    def context(self) -> SyncContext:
        run_id = start_run(self.warehouse, kind="sync", now=self.now, version="0", config_fingerprint="x")
        return SyncContext(run_id, CODE_MAP, lambda: self.now, Silent(), self.is_stopping, GATE, self.rules)

    def sync(self, **changes: Any) -> CenterReport:
        self.server.seen.clear()
        told = center(self.server.base_url, source=self.source, **changes)
        with FhirClient(told, QUICK, is_stopping=self.is_stopping) as client:
            return sync_center(told, client, self.warehouse, self.context())

    def landing(self) -> ExportLanding:
        told = center(self.server.base_url, source=self.source)
        return ExportLanding(told, self.warehouse, self.context(), Tally("a"))

    def night(self) -> None:
        self.server.clock += dt.timedelta(days=2)

    def heads(self) -> set[tuple[str, str]]:
        rows = self.warehouse.rows("SELECT resource_type, resource_id FROM ops.head")
        return {(row["resource_type"], row["resource_id"]) for row in rows}

    def departures(self) -> dict[tuple[str, str], str]:
        rows = self.warehouse.rows(
            "SELECT resource_type, resource_id, reason FROM ops.departure WHERE back_run_id IS NULL"
        )
        return {(row["resource_type"], row["resource_id"]): row["reason"] for row in rows}

    def watermarks(self, resource_type: str) -> set[dt.datetime]:
        return {entry.watermark for entry in coverage(self.warehouse, "a", resource_type).values()}

    def noted(self) -> list[OpenExport]:
        return open_exports(self.warehouse, "a")

    def left_files(self) -> list[str]:
        return [path.name for path in (self.warehouse.folder / "spill").rglob("*.ndjson")]


def landed(report: CenterReport) -> dict[str, int]:
    return {name: counts.landed for name, counts in report.counts.items() if counts.landed}
