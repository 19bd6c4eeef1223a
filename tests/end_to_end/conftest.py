"""A study on two demo servers over HTTP: real servers, real warehouse, the shipped configuration."""

import datetime as dt
import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from outcomes.results import MetricResult
from service.configuration import load_settings
from service.demo.server import DemoServers, demo_servers
from service.demo.workplace import prepare
from service.refresh import RefreshReport, refresh_night
from service.report import report_night
from service.run import Night, open_warehouse
from service.settings import Settings
from service.sync import SyncReport, sync_night
from warehouse.mart import open_mart

TABLES = (
    "SELECT schema_name || '.' || table_name AS name FROM duckdb_tables() "
    "WHERE schema_name = 'core' AND database_name = current_database() ORDER BY name"
)


class Silent:
    """Progress that nobody watches."""

    def landed(self, event: object) -> None:
        """Nothing to show."""


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclass(frozen=True, slots=True)
class Study:
    """A configured study and its servers; what a test does to a server goes over HTTP."""

    folder: Path
    servers: DemoServers

    @property
    def config(self) -> Path:
        return self.folder / "config"

    @property
    def settings(self) -> Settings:
        return load_settings(self.config)

    @property
    def night(self) -> Night:
        return Night(self.settings, now, Silent(), lambda: False)

    def sync(self) -> SyncReport:
        return sync_night(self.night)

    def refresh(self) -> RefreshReport:
        return refresh_night(self.night)

    def report(self) -> str:
        return report_night(self.night).read_text(encoding="utf-8")

    def work(self, sql: str, params: list[object] | None = None) -> list[dict[str, Any]]:
        with open_warehouse(self.settings) as warehouse:
            return warehouse.rows(sql, params)

    def mart(self, sql: str) -> list[dict[str, Any]]:
        with open_mart(self.settings.warehouse_folder) as mart:
            return mart.rows(sql)

    def core(self) -> dict[str, list[dict[str, Any]]]:
        """Every core table, its rows in an order of their own."""
        with open_warehouse(self.settings) as warehouse:
            return {
                row["name"]: sorted(warehouse.rows(f"FROM {row['name']}"), key=repr)
                for row in warehouse.rows(TABLES)
            }

    def get(self, center_id: str, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.servers.urls[center_id]}/{path}", timeout=30) as answer:  # noqa: S310
            found: dict[str, Any] = json.load(answer)
        return found

    def put(self, center_id: str, resource: dict[str, Any]) -> None:
        url = f"{self.servers.urls[center_id]}/{resource['resourceType']}/{resource['id']}"
        headers = {"Content-Type": "application/fhir+json"}
        body = json.dumps(resource).encode()
        request = urllib.request.Request(url, data=body, headers=headers, method="PUT")  # noqa: S310
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            assert answer.status in (200, 201)


def value(results: list[MetricResult] | Any, metric: str, statistic: str, group: str = "all") -> float | None:
    (found,) = [r for r in results if (r.metric, r.statistic, r.group) == (metric, statistic, group)]
    computed: float | None = found.value
    return computed


def make_study(folder: Path, servers: DemoServers) -> Study:
    prepare(folder, servers.urls)
    return Study(folder, servers)


@dataclass(frozen=True, slots=True)
class Night1:
    """The study after its first whole night, for tests that only look."""

    study: Study
    synced: SyncReport
    refreshed: RefreshReport
    report: str


@pytest.fixture(scope="session")
def first_night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night1]:
    with demo_servers(now) as servers:
        study = make_study(tmp_path_factory.mktemp("night"), servers)
        synced, refreshed = study.sync(), study.refresh()
        yield Night1(study, synced, refreshed, study.report())


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    """A study of its own, nothing synced yet, for tests that change something."""
    with demo_servers(now) as servers:
        yield make_study(tmp_path, servers)
