"""A refresh killed at a random moment: readers have a whole release, and the next refresh mends everything.

The warehouse has three releases and something new landed; each round starts from a copy of it and kills two
refreshes in a row. The seed is CRYOCOHORT_SEED. Steps take turns, so that each is hit; the moment is a random
statement of the step and up to 20 ms more, which lies within statements, files being written and folders
being moved. test_kill.py kills syncs; together they are 30 kills, 1,000 by `make soak`.
"""

import datetime as dt
import itertools
import json
import random
import re
import shutil
import signal
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ingest.minimise import minimise
from ingest.resource_types import load_resource_types
from service.configuration import load_settings
from service.demo import center_a, center_b
from service.demo.cohort import DemoPatient, read_cohort
from service.demo.workplace import prepare
from service.run import open_warehouse
from tests.properties.budget import SEED
from tests.properties.night_process import start_refresh
from warehouse.connection import Warehouse
from warehouse.land import Landed, Unit, land
from warehouse.lock import is_locked
from warehouse.manifest import verify_manifest
from warehouse.mart import open_mart
from warehouse.names import with_names
from warehouse.publish import current_release
from warehouse.releases import kept_releases, release_folder
from warehouse.runs import finish_run, start_run

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
BASES = {"a": "https://a.example.org/fhir", "b": "https://b.example.org/fhir"}
KEPT = 3
STEPS = ("build", "compute", "check", "publish")
# Kills in a row: after the first of each nothing of it is kept, so the second finds the statements in place.
ROUNDS = (("build", "publish"), ("compute", "check"))
_COUNT = "SELECT count(*) AS n FROM {table}"
COMPUTED = (
    "SELECT * EXCLUDE (run_id) FROM outcomes.metric_result WHERE run_id = (SELECT max(run_id) FROM ops.run)"
)


@dataclass
class Clinic:
    """A study whose centers are landed without servers."""

    folder: Path

    def __post_init__(self) -> None:
        prepare(self.folder, BASES)
        file = self.config / "cryocohort.toml"
        text, changes = re.subn(r"(?m)^keep_releases = \d+", f"keep_releases = {KEPT}", file.read_text())
        assert changes == 1
        file.write_text(text)
        self.settings = load_settings(self.config)

    @property
    def config(self) -> Path:
        return self.folder / "config"

    @property
    def data(self) -> Path:
        return self.settings.warehouse_folder

    @property
    def log(self) -> Path:
        return self.folder / "refresh.log"

    def land(self, patients: Sequence[DemoPatient]) -> None:
        """A sync of both centers that brings what they have of these patients."""
        with open_warehouse(self.settings) as warehouse:
            run_id = start_run(warehouse, kind="sync", now=START, version="0", config_fingerprint="")
            for center_id, center in (("a", center_a), ("b", center_b)):
                _land(warehouse, run_id, center_id, center.build(patients).resources)
            finish_run(warehouse, run_id, status="complete", now=START)

    def refresh(self, kill_at: int = 0, delay: float = 0.0) -> int | None:
        """A refresh by a process of its own, killed where that is said; its exit code."""
        self.log.unlink(missing_ok=True)
        process = start_refresh(self.config, START + dt.timedelta(days=1), self.log, kill_at, delay)
        process.join(60)
        return process.exitcode

    def steps(self) -> dict[str, int]:
        """The steps that the last refresh ended, each with the count of statements by then."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        events = [json.loads(line) for line in lines]
        return {each["step"]: each["statements"] for each in events if each["event"] == "step ended"}

    def built(self) -> dict[str, list[str]]:
        """Every row of the derived tables, and the results of the last run."""
        with open_warehouse(self.settings) as warehouse:
            names = warehouse.rows(
                "SELECT schema_name || '.' || table_name AS name FROM duckdb_tables() "
                "WHERE schema_name IN ('flat', 'core') ORDER BY name"
            )
            found = {row["name"]: sorted(map(repr, warehouse.rows(f"FROM {row['name']}"))) for row in names}
            return found | {"results": sorted(map(repr, warehouse.rows(COMPUTED)))}

    def keep(self) -> Path:
        """A copy of the warehouse as it is."""
        return Path(shutil.copytree(self.data, self.folder / "kept", symlinks=True))

    def put_back(self, kept: Path) -> None:
        """The warehouse as it was when it was kept."""
        shutil.rmtree(self.data)
        shutil.copytree(kept, self.data, symlinks=True)

    def running(self) -> int:
        """How many runs the ledger calls running."""
        with open_warehouse(self.settings) as warehouse:
            return len(warehouse.rows("SELECT run_id FROM ops.run WHERE status = 'running'"))


def _land(warehouse: Warehouse, run_id: int, center_id: str, resources: Sequence[dict[str, Any]]) -> None:
    kinds = {kind.name: kind for kind in load_resource_types("R4" if center_id == "a" else "R5")}
    for name, kind in kinds.items():
        made = [(each["id"], minimise(each, kind)) for each in resources if each["resourceType"] == name]
        landed = [Landed(name, key, "1", START, each.content_hash, each.body) for key, each in made]
        if landed:
            land(warehouse, Unit(run_id, center_id, name, len(landed), landed, START))


def assert_whole(clinic: Clinic, told: str) -> int:
    """Every release there is verifies, and readers see one with the rows it tells; its number."""
    for number in kept_releases(clinic.data):
        verify_manifest(release_folder(clinic.data, number))
    current = current_release(clinic.data)
    tables = verify_manifest(current)["tables"]
    with open_mart(clinic.data) as mart:
        counted = {name: mart.rows(with_names(_COUNT, table=name))[0]["n"] for name in tables}
    assert counted == tables, told
    return int(current.name)


def assert_mended(clinic: Clinic, expected: dict[str, list[str]], told: str) -> None:
    """The next refresh publishes what an undisturbed one does, and nothing half-made is left."""
    before = max(kept_releases(clinic.data))
    assert clinic.refresh() == 0, told
    assert assert_whole(clinic, told) == before + 1, told
    assert len(kept_releases(clinic.data)) == KEPT, told
    left = {path.name for path in (clinic.data / "marts").iterdir()} - {"releases", "current"}
    assert left == set(), told
    assert clinic.running() == 0, told
    built = clinic.built()
    assert [name for name in expected if built[name] != expected[name]] == [], told


@pytest.fixture
def clinic(quick_folder: Path) -> Clinic:
    """Three releases, and something landed since."""
    made, patients = Clinic(quick_folder), read_cohort()
    made.land(patients[:12])
    for _ in range(KEPT):
        assert made.refresh() == 0
    made.land(patients[12:20])
    return made


def kill_within(clinic: Clinic, place: range, chance: random.Random, told: str) -> str:
    """Kill a refresh at a statement of that place or shortly after; the step it was in, by its own log."""
    old, new = int(current_release(clinic.data).name), max(kept_releases(clinic.data)) + 1
    at, delay = chance.choice(place), chance.uniform(0.0, 0.02)
    told = f"{told} at statement {at} and {delay:.4f} s"
    assert clinic.refresh(at, delay) == -signal.SIGKILL, told
    assert not is_locked(clinic.data), f"{told}: the folder is still locked"
    assert assert_whole(clinic, told) in {old, new}, told
    ended = clinic.steps()
    return next((step for step in STEPS if step not in ended), "end")


@pytest.mark.row(68)
@pytest.mark.row(73)
@pytest.mark.parametrize("kills", [8, pytest.param(500, marks=pytest.mark.soak)])
def test_a_killed_refresh_leaves_a_whole_release_and_is_mended_by_the_next(
    clinic: Clinic, kills: int
) -> None:
    kept = clinic.keep()
    assert clinic.refresh() == 0
    expected, ends = clinic.built(), clinic.steps()
    places = dict(zip(STEPS, itertools.starmap(range, itertools.pairwise([1, *ends.values()])), strict=True))
    chance, hit = random.Random(SEED), Counter[str]()  # noqa: S311 -- no secret
    rounds = itertools.cycle(ROUNDS)
    while hit.total() < kills:
        clinic.put_back(kept)
        for step in next(rounds):
            told = f"seed {SEED}, kill {hit.total() + 1}, of {step}"
            hit[kill_within(clinic, places[step], chance, told)] += 1
        assert_mended(clinic, expected, told)
    assert hit.keys() >= set(STEPS), hit
