"""A study on any two servers: the shipped configuration, a warehouse of its own, whole nights."""

import dataclasses
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.centers import ReconcileDemand
from service.configuration import load_settings
from service.demo import center_a, center_b
from service.demo.cohort import read_cohort
from service.demo.fhir import Resource
from service.demo.noise import noise
from service.demo.workplace import prepare
from service.refresh import RefreshReport, refresh_night
from service.run import Night, open_warehouse
from service.settings import Settings
from service.sync import SyncReport, sync_night

Figure = tuple[str, str, str]  # metric, statistic, group
Figures = dict[Figure, dict[str, Any]]
Tables = dict[str, list[dict[str, Any]]]
CORE_TABLES = (
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
class CenterStock:
    """What a center's server is given: `refused` is what a server that checks would not take."""

    valid: tuple[Resource, ...]
    without_status: Resource
    with_unknown_element: Resource


def stock(center_id: str) -> CenterStock:
    """The demo cohort of one center with its noise."""
    patients = read_cohort()
    center = {"a": center_a, "b": center_b}[center_id].build(patients)
    items = noise(center, patients)
    (invalid,) = [item for item in items if item.visibility == "quarantined"]
    extra = [
        each
        for item in items
        if item.visibility not in {"quarantined", "reported"}
        for each in item.resources
    ]
    without_status, with_unknown_element = invalid.resources
    return CenterStock((*center.resources, *extra), without_status, with_unknown_element)


@dataclass(frozen=True, slots=True)
class ServerStudy:
    """A configured study; nothing is synced yet."""

    folder: Path

    @property
    def settings(self) -> Settings:
        return load_settings(self.folder / "config")

    def sync(self) -> SyncReport:
        return sync_night(self._night())

    def reconcile(self) -> SyncReport:
        """A sync that looks for deletions."""
        return sync_night(self._night(), ReconcileDemand(is_forced=True))

    def refresh(self) -> RefreshReport:
        return refresh_night(self._night())

    def figures(self) -> Figures:
        """Every figure of a refresh, but for the number of its run."""
        return {
            (result.metric, result.statistic, result.group): _without_run(dataclasses.asdict(result))
            for result in self.refresh().results
        }

    def core(self) -> Tables:
        """Every core table but for the run each row came with, its rows in an order of their own."""
        with open_warehouse(self.settings) as warehouse:
            return {
                table["name"]: sorted(map(_without_run, warehouse.rows(f"FROM {table['name']}")), key=repr)
                for table in warehouse.rows(CORE_TABLES)
            }

    def work(self, sql: str, params: list[object] | None = None) -> list[dict[str, Any]]:
        with open_warehouse(self.settings) as warehouse:
            return warehouse.rows(sql, params)

    def _night(self) -> Night:
        return Night(self.settings, now, Silent(), lambda: False)


def make_study(folder: Path, base_urls: Mapping[str, str], *, page_size: int = 200) -> ServerStudy:
    """A study in an empty folder, pointed at two servers."""
    for file in prepare(folder, base_urls).glob("centers/*/center.toml"):
        text = file.read_text(encoding="utf-8")
        assert text.count("page_size = 200") == 1
        file.write_text(text.replace("page_size = 200", f"page_size = {page_size}"), encoding="utf-8")
    return ServerStudy(folder)


def landed(report: SyncReport) -> dict[str, dict[str, int]]:
    """What each center landed, by type, without zeros."""
    return {
        center.center_id: {kind: counts.landed for kind, counts in center.counts.items() if counts.landed}
        for center in report.centers
    }


def departed(report: SyncReport) -> dict[str, dict[str, int]]:
    """What left each center, by type."""
    return {center.center_id: dict(center.departed) for center in report.centers}


def _without_run(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "run_id"}
