"""Two model servers, a real warehouse and the real sync between them, checked against what the servers hold.

`sync` runs one center's night and asserts, whatever went wrong in it, what must hold after any night;
`converge` runs a good night with a reconciliation, which must mend everything. Invariants have the numbers of
docs/reliability.md: I1 convergence, I2 one current version, I4 watermarks, I7 honesty, I8 replay, I9 nothing
leaves without evidence.
"""

import datetime as dt
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ingest.budget import RetryPolicy
from ingest.center import Center
from ingest.client import FhirClient
from ingest.context import ReconcileRules, SyncContext, UnitLanded
from ingest.gate_pool import GatePool
from ingest.sync import sync_center
from ingest.tally import CenterReport
from tests.properties.made_resources import (
    CEMENTOPLASTY,
    CODE_MAP,
    CRYOABLATION,
    METASTASIS,
    PAIN_SCORE,
    coding_of,
    patient_of,
)
from tests.properties.model_server import Event, Fault, ModelServer, serving
from tests.properties.model_store import Habits, Key, ModelStore, Version, World
from warehouse.connection import Warehouse
from warehouse.land import coverage, members
from warehouse.runs import start_run

# The faults are real, the patience is not under test.
QUICK = RetryPolicy(retries=2, backoff=0.0, max_wait=1.0)
PROCEDURES = (CRYOABLATION, CEMENTOPLASTY)
ASKED = {"Condition": (METASTASIS,), "Observation": (PAIN_SCORE,), "Procedure": PROCEDURES}
Versions = Mapping[Key, Version]
Watermarks = dict[tuple[str, str], dt.datetime]
FHIR_VERSIONS = {"a": "R4", "b": "R5"}
WEEKLY = ReconcileRules()
DEPARTED = "SELECT resource_type, resource_id FROM ops.departure WHERE center_id = ? AND back_run_id IS NULL"


class Silent:
    """Progress that nobody watches."""

    def landed(self, event: UnitLanded) -> None:
        """Nothing to show."""


@dataclass
class CenterSide:
    """One center: its server, how it is asked, and what was last seen of it in the warehouse."""

    center_id: str
    server: ModelServer
    overlap: dt.timedelta
    watermarks: Watermarks = field(default_factory=dict)
    heads: dict[Key, str] = field(default_factory=dict)
    members: set[str] = field(default_factory=set)

    @property
    def store(self) -> ModelStore:
        return self.server.store

    @property
    def center(self) -> Center:
        return Center(
            center_id=self.center_id,
            name=self.center_id,
            base_url=self.server.base_url,
            fhir_version=self.store.fhir_version,
            page_size=3,
            patient_batch=3,
            concurrency=1,  # one query after the other, so that a failing example fails again
            overlap=self.overlap,
            read_timeout=5.0,
        )


@dataclass
class ModelStudy:
    """The centers, the warehouse and the true time."""

    world: World
    warehouse: Warehouse
    sides: dict[str, CenterSide]
    gate: GatePool = field(default_factory=lambda: GatePool(1, in_place=10**9))

    def sync(
        self,
        side: CenterSide,
        faults: list[Fault] | None = None,
        events: list[Event] | None = None,
        rules: ReconcileRules = WEEKLY,
    ) -> CenterReport:
        """One center's night, and what must hold after any night."""
        before = side.store.searchable()
        side.server.arm(faults, events)
        report = self._sync(side, rules)
        side.server.arm()
        after = side.store.searchable()
        steady = {key: version for key, version in before.items() if after.get(key) is version}
        self._check(side, report, steady)
        return report

    def converge(self, *sides: CenterSide) -> None:
        """I1 and I8: once the index knows everything, a good night mends all and the next changes nothing.

        An operator has accepted whatever leaves: that too much is held back is another test's subject.
        """
        chosen = sides or tuple(self.sides.values())
        rules = ReconcileRules(is_forced=True, accepted=frozenset(self.sides))
        for side in chosen:
            side.store.settle()
            report = self.sync(side, rules=rules)
            assert report.status == "complete", f"I1: a good night is {report.status}: {report.reasons}"
            self._check_equal(side)
        state = self._state()
        for side in chosen:
            report = self.sync(side, rules=rules)
            assert sum(counts.landed for counts in report.counts.values()) == 0, (
                "I8: a replay lands something"
            )
        assert self._state() == state, "I8: a replay changes the warehouse"

    def _sync(self, side: CenterSide, rules: ReconcileRules) -> CenterReport:
        run_id = start_run(
            self.warehouse, kind="sync", now=self.world.now, version="0", config_fingerprint="0"
        )
        context = SyncContext(
            run_id, CODE_MAP, lambda: self.world.now, Silent(), lambda: False, self.gate, rules
        )
        with FhirClient(side.center, QUICK) as client:
            return sync_center(side.center, client, self.warehouse, context)

    def _check(self, side: CenterSide, report: CenterReport, steady: Versions) -> None:
        held, known = self._held(side), set(members(self.warehouse, side.center_id))
        if report.status == "complete":
            strangers = cohort(steady) - known
            assert not strangers, f"I7: complete without cohort patients {strangers}"
            lacking = [key for key, version in wanted(steady, known).items() if not held(version)]
            assert not lacking, f"I7: complete without {lacking}"
        self._check_watermarks(side, held, known)
        self._check_departures(side, known)

    def _check_departures(self, side: CenterSide, known: set[str]) -> None:
        """I9: what left is not there, or not the study's, and the ledger says so."""
        left = side.members - known
        assert left.isdisjoint(cohort(side.store.current)), f"I9: {left} left the cohort"
        heads, rows = self._heads(side), self.warehouse.rows(DEPARTED, [side.center_id])
        told = {(row["resource_type"], row["resource_id"]) for row in rows}
        still = wanted(side.store.current, known)
        without = [key for key in side.heads.keys() - heads.keys() if key in still or key not in told]
        assert not without, f"I9: {without} left the warehouse without evidence"
        side.heads, side.members = heads, known

    def _check_watermarks(self, side: CenterSide, held: "Held", known: set[str]) -> None:
        """I4: what the next night will not ask for is held, and no watermark goes back."""
        watermarks = self._watermarks(side)
        for place, before in side.watermarks.items():
            is_over = place[1] in side.members - known
            assert is_over or place in watermarks, f"I4: the watermark of {place} is lost"
            assert is_over or watermarks[place] >= before, f"I4: the watermark of {place} went back"
        side.watermarks = watermarks
        for version in side.store.current.values():
            for place in _places(version):
                if place in watermarks and version.stamp < watermarks[place] - side.overlap:
                    assert held(version), f"I4: the watermark of {place} has passed {version.key} unread"

    def _check_equal(self, side: CenterSide) -> None:
        """I1: everything the server holds of the cohort is here as it is there, and nothing else is."""
        held, known = self._held(side), set(members(self.warehouse, side.center_id))
        missing = cohort(side.store.current) - known
        assert not missing, f"I1: cohort patients {missing} are missing"
        former = known - cohort(side.store.current, is_strict=False)
        assert not former, f"I1: {former} belong to the cohort no more"
        expected = wanted(side.store.current, known)
        lacking = [key for key, version in expected.items() if not held(version)]
        assert not lacking, f"I1: missing or stale after a good sync: {lacking}"
        surplus = held.heads.keys() - expected.keys()
        assert not surplus, f"I1: not there any more: {surplus}"

    def _held(self, side: CenterSide) -> "Held":
        quarantined = self.warehouse.rows(
            "SELECT resource_type, resource_id, content_hash FROM ops.quarantine "
            "WHERE center_id = ? AND is_open",
            [side.center_id],
        )
        refused = {(row["resource_type"], row["resource_id"], row["content_hash"]) for row in quarantined}
        return Held(self._heads(side), refused)

    def _heads(self, side: CenterSide) -> dict[Key, str]:
        rows = self.warehouse.rows(
            "SELECT resource_type, resource_id, content_hash FROM ops.head WHERE center_id = ?",
            [side.center_id],
        )
        heads = {(row["resource_type"], row["resource_id"]): row["content_hash"] for row in rows}
        assert len(heads) == len(rows), "I2: a resource has two current versions"
        return heads

    def _watermarks(self, side: CenterSide) -> Watermarks:
        found = {}
        for resource_type in ("Procedure", "Patient", *ASKED, "AdverseEvent", "BodyStructure"):
            for patient_id, entry in coverage(self.warehouse, side.center_id, resource_type).items():
                found[resource_type, patient_id] = entry.watermark
        return found

    def _state(self) -> list[object]:
        """What a replay must not change."""
        queries = (
            "FROM ops.head ORDER BY ALL",
            "SELECT center_id, patient_id, left_run_id FROM ops.cohort_member ORDER BY ALL",
            "FROM ops.departure ORDER BY ALL",
            "SELECT path, sha256 FROM ops.segment ORDER BY ALL",
            "SELECT * EXCLUDE (last_run_id) FROM ops.quarantine WHERE is_open ORDER BY ALL",
        )
        return [self.warehouse.rows(query) for query in queries]


@dataclass(frozen=True)
class Held:
    """Whether the warehouse holds a version: as the current one or, when it is invalid, in quarantine."""

    heads: Mapping[Key, str]
    refused: set[tuple[str, str, str]]

    def __call__(self, version: Version) -> bool:
        if version.is_valid:
            return self.heads.get(version.key) == version.content_hash
        return (*version.key, version.content_hash) in self.refused


def cohort(versions: Versions, *, is_strict: bool = True) -> set[str]:
    """The patients whom a cryoablation makes members; an invalid one makes nobody, but it keeps a member."""
    return {
        patient_of(version.content)
        for version in versions.values()
        if version.key[0] == "Procedure" and coding_of(version.content) == CRYOABLATION
        if version.is_valid or not is_strict
    }


def wanted(versions: Versions, patient_ids: set[str]) -> dict[Key, Version]:
    """What a study of these patients asks for."""
    return {key: version for key, version in versions.items() if _is_wanted(version, patient_ids)}


def _is_wanted(version: Version, patient_ids: set[str]) -> bool:
    coding = coding_of(version.content)
    if version.key[0] == "Procedure" and coding == CRYOABLATION:
        return True
    asked = ASKED.get(version.key[0])
    return patient_of(version.content) in patient_ids and (asked is None or coding in asked)


def _places(version: Version) -> Iterator[tuple[str, str]]:
    """The coverages that claim to have read a version: by its patient, and the cohort's."""
    resource_type = version.key[0]
    asked = ASKED.get(resource_type)
    if asked is None or coding_of(version.content) in asked:
        yield resource_type, patient_of(version.content)
    if resource_type == "Procedure" and coding_of(version.content) == CRYOABLATION:
        yield resource_type, ""


@contextmanager
def model_study(habits: Mapping[str, Habits], overlap: dt.timedelta) -> Iterator[ModelStudy]:
    """A study of its own, nothing written and nothing synced yet; habits by center."""
    world = World()
    memory = Path("/dev/shm")  # noqa: S108 -- memory is as real a file system, and quicker
    with ExitStack() as stack:
        place = memory if memory.is_dir() else None
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="model-study-", dir=place))
        warehouse = stack.enter_context(Warehouse.open(Path(folder) / "warehouse", threads=1))
        sides = {}
        for center_id, habit in habits.items():
            store = ModelStore(world, habit, FHIR_VERSIONS[center_id])
            server = stack.enter_context(serving(ModelServer(store)))
            sides[center_id] = CenterSide(center_id, server, overlap)
        yield ModelStudy(world, warehouse, sides)
