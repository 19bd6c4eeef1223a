"""Nights as the service runs them, on model servers: shipped configuration, ledger, lock and all.

`Place` keeps the servers and a folder; its warehouse can be put back to an earlier state, and what a night
left is compared with the servers in a few sentences.
"""

import dataclasses
import datetime as dt
import functools
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import service.sync
from ingest import plan
from ingest.budget import RetryPolicy
from ingest.center import FhirVersion
from ingest.client import FhirClient
from ingest.resource_types import ResourceType, load_resource_types
from mappings.terminology import MappedCode
from mappings.viewdef import NamedView, load_views
from service.centers import ReconcileDemand
from service.configuration import load_settings
from service.demo.workplace import prepare
from service.run import Night, open_warehouse
from service.settings import Settings
from service.study import study_codes
from service.sync import SyncReport, sync_night
from tests.properties.made_resources import TYPES, made
from tests.properties.model_server import ModelServer, serving
from tests.properties.model_store import Habits, Key, ModelStore, Version, World
from tests.properties.model_study import FHIR_VERSIONS, Silent, cohort, wanted
from warehouse import flat_plan
from warehouse.connection import Warehouse
from warehouse.land import members

QUICK = RetryPolicy(retries=2, backoff=0.0, max_wait=1.0)
MEMORY = Path("/dev/shm")  # noqa: S108 -- memory is as real a file system, and quicker
Backup = Mapping[str, Mapping[Key, Version]]


@dataclass
class Place:
    """The servers of the configured centers, the folder of the study, and its true time."""

    folder: Path
    world: World
    servers: dict[str, ModelServer]
    everything: ReconcileDemand = field(init=False)
    settings: Settings = field(init=False)
    _number: int = 0

    def __post_init__(self) -> None:
        prepare(self.folder, {center_id: server.base_url for center_id, server in self.servers.items()})
        for center in (self.folder / "config" / "centers").iterdir():
            if center.name not in self.servers:
                shutil.rmtree(center)
        self.everything = ReconcileDemand(is_forced=True, accepted=frozenset(self.servers))
        self.settings = load_settings(self.config)

    @property
    def config(self) -> Path:
        return self.folder / "config"

    @property
    def data(self) -> Path:
        return self.settings.warehouse_folder

    def sync(self) -> SyncReport:
        """A night that looks for deletions, too."""
        return sync_night(Night(self.settings, self._now, Silent(), lambda: False), self.everything)

    def _now(self) -> dt.datetime:
        return self.world.now

    def put(self, center_id: str, resource_type: str, resource_id: str, patient_id: str) -> None:
        """Write a resource with a content of its own."""
        self._number += 1
        store = self.servers[center_id].store
        store.put(made(resource_type, resource_id, patient_id, self._number, store.fhir_version))

    def chart(self, center_id: str, patient_id: str, types: Sequence[str] = TYPES) -> None:
        """A cohort patient with one resource of each type, two scores among them."""
        self.put(center_id, "Patient", patient_id, patient_id)
        for resource_type in types:
            if resource_type != "Patient":
                self.put(center_id, resource_type, f"{resource_type[:4].lower()}-{patient_id}", patient_id)
        self.put(center_id, "Observation", f"more-{patient_id}", patient_id)

    def backup(self) -> Backup:
        return {center_id: server.store.backup() for center_id, server in self.servers.items()}

    def restore(self, backup: Backup) -> None:
        for center_id, server in self.servers.items():
            server.store.restore_backup(dict(backup[center_id]))

    def keep_data(self) -> Path:
        """A copy of the warehouse as it is."""
        kept = self.folder / "kept"
        shutil.copytree(self.data, kept)
        return kept

    def put_back(self, kept: Path) -> None:
        """The warehouse as it was when it was kept."""
        shutil.rmtree(self.data)
        shutil.copytree(kept, self.data)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Rows of the private warehouse."""
        with open_warehouse(self.settings) as warehouse:
            return warehouse.rows(sql)

    def outcome(self) -> "Outcome":
        """What the last night left."""
        with open_warehouse(self.settings) as warehouse:
            runs = warehouse.rows("SELECT status FROM ops.run ORDER BY run_id")
            found = [each for center_id in self.servers for each in self._differences(center_id, warehouse)]
        return Outcome([row["status"] for row in runs], found)

    def _differences(self, center_id: str, warehouse: Warehouse) -> Iterator[str]:
        versions, known = self.servers[center_id].store.current, set(members(warehouse, center_id))
        if known != cohort(versions):
            yield f"center {center_id}: other cohort patients"
        rows = warehouse.rows(
            "SELECT resource_type, resource_id, content_hash FROM ops.head WHERE center_id = ?", [center_id]
        )
        heads = {(row["resource_type"], row["resource_id"]): row["content_hash"] for row in rows}
        if len(heads) != len(rows):
            yield f"center {center_id}: two current versions of one resource"
        expected = {key: each.content_hash for key, each in wanted(versions, known).items()}
        for key in sorted(heads.items() ^ expected.items()):
            yield f"center {center_id}: {key[0][0]}/{key[0][1]}"


@dataclass(frozen=True)
class Outcome:
    """The status of each run in the ledger, and where the warehouse is not what the servers hold."""

    runs: list[str]
    differences: list[str]

    @property
    def status(self) -> str:
        """How the last run ended."""
        return self.runs[-1]


@contextmanager
def place(
    folder: Path, center_ids: Sequence[str] = ("a", "b"), habits: Habits | None = None
) -> Iterator[Place]:
    """A place with nothing written on its servers yet."""
    world = World()
    with ExitStack() as stack:
        servers = {
            center_id: stack.enter_context(
                serving(ModelServer(ModelStore(world, habits or Habits(), FHIR_VERSIONS[center_id])))
            )
            for center_id in center_ids
        }
        yield Place(folder, world, servers)


def without_patience(patch: pytest.MonkeyPatch) -> None:
    """Retries without waiting and codes read once: neither patience nor code files are under test."""
    patch.setattr(service.sync, "FhirClient", lambda center, **options: FhirClient(center, QUICK, **options))
    patch.setattr(service.sync, "study_codes", _codes)


@functools.cache
def _codes(settings: Settings) -> list[MappedCode]:
    return study_codes(settings)


SMALL_NIGHT = frozenset({"Patient", "Procedure", "Observation"})


def with_three_types(patch: pytest.MonkeyPatch) -> None:
    """A small night: patients, procedures and observations only."""

    def three(fhir_version: FhirVersion) -> tuple[ResourceType, ...]:
        every = load_resource_types(fhir_version)
        return tuple(each for each in every if each.name in SMALL_NIGHT)

    patch.setattr(plan, "load_resource_types", three)
    patch.setattr(flat_plan, "load_views", _views_of_three)


@functools.cache
def _views_of_three(folder: Path) -> list[NamedView]:
    return [view for view in load_views(folder) if view.view.resource in SMALL_NIGHT]


def one_query_at_a_time(patch: pytest.MonkeyPatch, page_size: int = 50) -> None:
    """Requests in the same order every time, so that the n-th is always the same."""
    sound = service.sync.ingest_centers

    def centers(settings: Settings) -> list[Any]:
        changes = {"concurrency": 1, "page_size": page_size}
        return [dataclasses.replace(center, **changes) for center in sound(settings)]

    patch.setattr(service.sync, "ingest_centers", centers)


def prepare_second_night(here: Place) -> tuple[Path, Backup]:
    """A place after its first night, and on the server a correction, a deletion and a new patient."""
    for patient_id in ("p1", "p2"):
        here.chart("a", patient_id, ("Procedure", "Observation"))
    here.sync()
    here.world.wait(dt.timedelta(days=1))
    here.put("a", "Observation", "obse-p1", "p1")
    here.servers["a"].store.delete(("Observation", "more-p2"))
    here.chart("a", "p3", ("Procedure", "Observation"))
    return here.keep_data(), here.backup()
