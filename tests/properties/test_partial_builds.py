"""Core tables whose touched patients alone are made anew are what a build from nothing gives.

The synthetic cohort of both centers, its noise included, is landed and built; then resources take elements of
others at random: another date, code, site, patient, a reference across patients. The seed is CRYOCOHORT_SEED.
"""

import dataclasses
import datetime as dt
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ingest.center import FhirVersion
from ingest.gate import judge
from ingest.minimise import minimise
from ingest.resource_types import load_resource_types
from mappings.terminology import load_aliases
from service.configuration import load_settings
from service.demo import center_a, center_b
from service.demo.cohort import read_cohort
from service.demo.noise import noise
from service.study import study_codes, study_rules
from tests.properties.budget import SEED
from warehouse import flat_plan, owner, reach, scope
from warehouse.build import BuildCenter, BuildInput, BuiltTable, build, build_flat
from warehouse.connection import Warehouse
from warehouse.land import Landed, Unit, land
from warehouse.runs import start_run

ROOT = Path(__file__).parents[2]
START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
BASES: dict[str, tuple[str, FhirVersion]] = {
    "a": ("https://a.example.org/fhir", "R4"),
    "b": ("https://b.example.org/fhir", "R5"),
}

Resource = dict[str, Any]


@pytest.fixture
def replaced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tables that were made in part; however far a change reaches, it is little enough here."""
    monkeypatch.setattr(reach, "MOST_OF_ALL", 10.0)
    found: list[str] = []
    sound = scope.Scope.replace

    def noted(self: scope.Scope, table: str, key: Any, select: str) -> int | None:
        changes = sound(self, table, key, select)
        found.extend([table] if changes is not None else [])
        return changes

    monkeypatch.setattr(scope.Scope, "replace", noted)
    return found


class Study:
    """Both centers' resources as they are now, and the warehouse they are landed in."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse
        self.chance = random.Random(SEED)  # noqa: S311 -- no secret
        self.version = 1
        settings = load_settings(ROOT / "config")
        self.input = BuildInput(
            run_id=start_run(warehouse, kind="sync", now=START, version="0", config_fingerprint=""),
            centers=[BuildCenter(center_id, *told) for center_id, told in BASES.items()],
            code_map=study_codes(settings),
            aliases=load_aliases(),
            rules=study_rules(settings.file),
        )
        self.types = {
            center_id: {kind.name: kind for kind in load_resource_types(told[1])}
            for center_id, told in BASES.items()
        }
        self.current = {center_id: self._resources(center_id) for center_id in BASES}
        for center_id, resources in self.current.items():
            self.land(center_id, list(resources.values()))

    def _resources(self, center_id: str) -> dict[tuple[str, str], Resource]:
        patients = read_cohort()
        center = {"a": center_a, "b": center_b}[center_id].build(patients)
        more = [each for item in noise(center, patients) for each in item.resources]
        sound = [each for each in [*center.resources, *more] if not judge(each, BASES[center_id][1])]
        return {(each["resourceType"], each["id"]): each for each in sound}

    def land(self, center_id: str, resources: list[Resource]) -> None:
        for kind in {each["resourceType"] for each in resources} & self.types[center_id].keys():
            landed = [self._landed(center_id, each) for each in resources if each["resourceType"] == kind]
            land(self.warehouse, Unit(self.input.run_id, center_id, kind, len(landed), landed, START))

    def _landed(self, center_id: str, resource: Resource) -> Landed:
        kind = resource["resourceType"]
        made = minimise(resource, self.types[center_id][kind])
        at = START + dt.timedelta(minutes=self.version)
        return Landed(kind, resource["id"], str(self.version), at, made.content_hash, made.body)

    def change(self) -> None:
        """One resource takes an element of another, comes as a copy under a new id, leaves, or comes back."""
        center_id = self.chance.choice(sorted(BASES))
        resources = self.current[center_id]
        kind, _ = key = self.chance.choice(sorted(resources))
        other = resources[self.chance.choice([each for each in sorted(resources) if each[0] == kind])]
        self.version += 1
        match self.chance.randrange(5):
            case 0:
                self._lose(center_id, *key)
            case 1:
                copied = other | {"id": f"copy{self.version}"}
                resources[kind, copied["id"]] = copied
                self.land(center_id, [copied])
            case _:
                element = self.chance.choice(sorted(other.keys() - {"id", "resourceType", "meta"}))
                resources[key] = resources[key] | {element: other[element]}
                self.land(center_id, [resources[key]])

    def _lose(self, center_id: str, kind: str, resource_id: str) -> None:
        with self.warehouse.transaction() as transaction:
            transaction.execute(
                "DELETE FROM ops.head WHERE center_id = ? AND resource_type = ? AND resource_id = ?",
                [center_id, kind, resource_id],
            )

    def map(self) -> None:
        """What the end of a sync does."""
        with self.warehouse.transaction() as transaction:
            build_flat(transaction, self.input, folder=self.warehouse.folder)

    def build(self) -> list[BuiltTable]:
        with self.warehouse.transaction() as transaction:
            return build(transaction, self.input, folder=self.warehouse.folder)

    def state(self) -> dict[str, list[str]]:
        """Every row of every derived table."""
        names = self.warehouse.rows(
            "SELECT schema_name || '.' || table_name AS name FROM duckdb_tables() "
            "WHERE schema_name IN ('flat', 'core') ORDER BY name"
        )
        derived = [*(row["name"] for row in names), "ops.code_use", "ops.unmapped", "ops.code_coverage"]
        return {name: sorted(map(repr, self.warehouse.rows(f"FROM {name}"))) for name in derived}

    def assert_as_from_nothing(self) -> None:
        kept = self.state()
        with self.warehouse.transaction() as transaction:
            transaction.execute("DELETE FROM ops.flat_head")
            transaction.execute("DELETE FROM ops.flat_fill")
            transaction.execute("DELETE FROM ops.built_from")
        self.build()
        anew = self.state()
        differing = [name for name in anew if anew[name] != kept[name]]
        assert differing == [], f"seed {SEED}, version {self.version}"


@pytest.fixture
def alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resources of one type whose keys are of one length have one number."""
    monkeypatch.setattr(owner, "_KEY_NUMBER", "hash(length({key}))")


@pytest.fixture
def study(quick_folder: Path) -> Iterator[Study]:
    with Warehouse.open(quick_folder / "data", threads=2) as warehouse:
        made = Study(warehouse)
        made.build()
        yield made


@pytest.mark.parametrize("rounds", [6, pytest.param(150, marks=pytest.mark.soak)])
def test_random_changes_are_brought_up_to_what_a_build_from_nothing_gives(
    study: Study, replaced: list[str], rounds: int
) -> None:
    for _ in range(rounds):
        replaced.clear()
        for _ in range(study.chance.randrange(1, 4)):
            for _ in range(study.chance.randrange(1, 6)):
                study.change()
            study.map()
        study.build()
        assert "ops.code_use" in replaced
        assert len(replaced) > 5
        study.assert_as_from_nothing()


def test_a_changed_code_makes_the_tables_that_read_codes_anew(study: Study, replaced: list[str]) -> None:
    study.change()
    study.input = dataclasses.replace(study.input, code_map=study.input.code_map[:-40])
    study.build()
    assert "flat.concept" not in replaced
    study.assert_as_from_nothing()


def test_a_change_that_reaches_too_far_makes_tables_anew(
    study: Study, replaced: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach, "MOST_OF_ALL", 0.0)
    study.change()
    study.build()
    assert replaced == []
    study.assert_as_from_nothing()


def test_what_reads_a_table_that_came_out_as_it_stood_is_kept(study: Study, replaced: list[str]) -> None:
    (key,) = study.warehouse.rows(
        "SELECT pain_score_key FROM flat.pain_value SEMI JOIN core.pain_score USING (pain_score_key) "
        "WHERE center_id = 'a' AND status = 'final' ORDER BY pain_score_key LIMIT 1"
    )
    score = study.current["a"]["Observation", key["pain_score_key"].removeprefix("a/")]

    def built_after(**elements: Any) -> set[str]:
        study.version += 1
        replaced.clear()
        study.land("a", [score | elements])
        return {table.table for table in study.build() if table.reasons}

    corrected = built_after(status="corrected")
    assert corrected >= {"flat.observation", "flat.pain_value"}
    assert set(replaced) >= {"flat.concept", "flat.dated", "core.pain_score"}
    unread = {"flat.concept", "flat.dated", "flat.spine_site", "flat.ablation", "core.session", "core.lesion"}
    assert corrected.isdisjoint(unread)
    assert set(replaced).isdisjoint(unread - {"flat.concept", "flat.dated"})
    assert {table.table for table in study.build() if table.reasons} == set()
    later = built_after(status="corrected", effectiveDateTime="2019-01-01")
    assert later >= {"flat.dated", "core.pain_score"}
    assert set(replaced) >= {"flat.ablation_candidate", "flat.cohort"}
    study.assert_as_from_nothing()


def test_a_failed_build_forgets_no_change(study: Study, replaced: list[str]) -> None:
    for _ in range(4):
        study.change()
    study.map()
    with pytest.raises(ZeroDivisionError), study.warehouse.transaction() as transaction:  # noqa: PT012
        build(transaction, study.input, folder=study.warehouse.folder)
        raise ZeroDivisionError
    replaced.clear()
    study.build()
    assert replaced
    study.assert_as_from_nothing()


@pytest.mark.usefixtures("alike")
def test_resources_of_one_number_are_told_apart_by_their_keys(study: Study, replaced: list[str]) -> None:
    (numbers,) = study.warehouse.rows(
        "SELECT count(DISTINCT observation_key) AS keys, count(DISTINCT owner_number) AS numbers "
        "FROM flat.observation"
    )
    assert numbers["numbers"] * 10 < numbers["keys"]
    for _ in range(8):
        study.change()
    study.map()
    study.build()
    assert len(replaced) > 5
    study.assert_as_from_nothing()


def test_a_night_after_an_upgrade_makes_tables_without_numbers_anew(
    quick_folder: Path, replaced: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Warehouse.open(quick_folder / "data", threads=2) as warehouse:
        study = Study(warehouse)
        with monkeypatch.context() as older:
            older.setattr(flat_plan.FlatPart, "numbers", {})
            older.setattr(owner.Owner, "numbers_of", lambda *_: {})
            study.build()
        assert tables_with_numbers(warehouse) == set()
        study.change()
        study.map()
        study.build()
        assert replaced == []
        assert len(tables_with_numbers(warehouse)) > 20
        study.change()
        study.build()
        assert replaced
        study.assert_as_from_nothing()


def tables_with_numbers(warehouse: Warehouse) -> set[str]:
    rows = warehouse.rows(
        "SELECT schema_name || '.' || table_name AS name FROM duckdb_columns() WHERE column_name = ?",
        [owner.OWNER_NUMBER],
    )
    return {row["name"] for row in rows}
