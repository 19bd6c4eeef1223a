"""The hypothesis state machine: anything that happens on two servers and in the nights between.

Rules write, correct, spoil, delete, restore, move and recode resources, let patients join the cohort, let
time pass and run nights with faults and with writes in the middle of a walk. `ModelStudy` checks after every
night; the end of every sequence must converge.
"""

import datetime as dt
from collections.abc import Callable
from contextlib import ExitStack

import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ingest.context import ReconcileRules
from tests.properties.budget import EXAMPLES, SEED, budget
from tests.properties.made_resources import (
    BODY_WEIGHT,
    CEMENTOPLASTY,
    MOVABLE,
    TYPES,
    made,
    patient_of,
    spoiled,
)
from tests.properties.model_server import Event, Fault, Request
from tests.properties.model_store import Habits, Key, Version
from tests.properties.model_study import WEEKLY, CenterSide, ModelStudy, model_study

SECOND, MINUTE, HOUR = dt.timedelta(seconds=1), dt.timedelta(minutes=1), dt.timedelta(hours=1)
NOTHING = dt.timedelta(0)
MEMBERS, STRANGERS = ("p1", "p2", "p3"), ("s1", "s2", "s3", "s4")
COVERED_TYPES = ("Procedure", "Observation", "Condition")

center_ids = st.sampled_from(["a", "a", "a", "b"])  # one center sees more, the other must not be touched
picks = st.integers(0, 10**6)
reconcile_rules = st.sampled_from([WEEKLY, ReconcileRules(is_forced=True)])
# (overlap, index lag, how far a node's clock may be behind): what an overlap of that length must bear.
bearable = st.sampled_from(
    [
        (NOTHING, NOTHING, NOTHING),
        (10 * MINUTE, NOTHING, 10 * MINUTE),
        (10 * MINUTE, 5 * MINUTE, 5 * MINUTE),
        (10 * MINUTE, 10 * MINUTE, NOTHING),
    ]
)
skews = st.sampled_from([NOTHING, -40 * MINUTE, 40 * MINUTE])
orders = st.sampled_from(["id", "oldest", "newest"])
waits = st.sampled_from([0.4 * SECOND, SECOND, 5 * MINUTE, 10 * MINUTE, HOUR, 26 * HOUR, 8 * 24 * HOUR])
node_clocks = st.sampled_from(["right", "right", "behind", "behind", "2 s ahead", "3 days ahead"])

edit_kinds = st.sampled_from(
    [
        "write",
        "correct",
        "correct",
        "correct",
        "touch",
        "spoil",
        "delete",
        "restore",
        "move",
        "recode",
        "join",
    ]
)
fault_kinds = st.sampled_from(
    ["500", "500", "503", "401", "403", "404", "410", "429", "html", "cut", "close", "reset", "loss", "loss",
     "loss", "lost entry", "unfiltered", "no date"]
)  # fmt: skip


@st.composite
def faults(draw: st.DrawFn) -> list[Fault]:
    """One fault at some request of the night, once or for good."""
    kind, times = draw(fault_kinds), draw(st.sampled_from([1, 2, 99]))
    if draw(st.booleans()):
        first = draw(st.integers(1, 30))
        return [Fault(kind, lambda _, number: number >= first, times)]
    resource_type = draw(st.sampled_from(TYPES))
    is_next = draw(st.booleans())

    def hits(request: Request, _: int) -> bool:
        return request.resource_type == resource_type and request.is_next == is_next

    return [Fault(kind, hits, times)]


class Nights(RuleBasedStateMachine):
    """Two servers, a warehouse, and any sequence of what may happen to them."""

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self._number = 0
        self._has_failed = False
        self._study: ModelStudy | None = None
        self._behind = NOTHING
        self._backups: dict[str, dict[Key, Version]] = {}

    @initialize(
        bears=bearable,
        skew=st.tuples(skews, skews),
        order=orders,
        vanishes=st.booleans(),
        is_alone=st.sampled_from([True, True, False]),
        is_read=st.booleans(),
    )
    def populate(
        self,
        bears: tuple[dt.timedelta, dt.timedelta, dt.timedelta],
        skew: tuple[dt.timedelta, dt.timedelta],
        order: str,
        vanishes: bool,
        is_alone: bool,
        is_read: bool,
    ) -> None:
        overlap, lag, self._behind = bears
        habits = {
            center_id: Habits(skew=each, lag=lag, order=order, vanishes=vanishes)
            for center_id, each in zip(("a",) if is_alone else ("a", "b"), skew, strict=False)
        }
        self._study = self._stack.enter_context(model_study(habits, overlap))
        for side in self.study.sides.values():
            for patient_id in MEMBERS:
                for resource_type, copies in (("Patient", 0), *((each, 4) for each in COVERED_TYPES)):
                    self._fill(side, resource_type, patient_id, copies)
            self._fill(side, "Patient", "s1", 0)
            self._fill(side, "Observation", "s1", 2)
            side.store.settle()
            if is_read:
                self._night(side)

    @property
    def study(self) -> ModelStudy:
        assert self._study is not None
        return self._study

    def write(self, center_id: str, resource_type: str, pick: int, node: str) -> None:
        everybody = (*MEMBERS, *STRANGERS)
        side = self._side(center_id)
        code = CEMENTOPLASTY if resource_type == "Procedure" else None
        self._put(side, resource_type, self._new_id(), everybody[pick % len(everybody)], node, code)

    def correct(self, center_id: str, pick: int, node: str) -> None:
        side = self._side(center_id)
        self._change(side, self._chosen(side, pick), lambda _, anew: anew, node)

    def touch(self, center_id: str, pick: int) -> None:
        side = self._side(center_id)
        self._change(side, self._chosen(side, pick), lambda content, _: content)

    def spoil(self, center_id: str, pick: int) -> None:
        side = self._side(center_id)
        key = self._chosen(side, pick)
        if key is not None:
            side.store.put(spoiled(self._anew(side, key)), is_valid=False)

    def delete(self, center_id: str, pick: int) -> None:
        side = self._side(center_id)
        key = self._chosen(side, pick)
        if key is not None:
            side.store.delete(key)

    def restore(self, center_id: str, pick: int, is_changed: bool) -> None:
        side = self._side(center_id)
        gone = sorted(side.store.deleted)
        if gone:
            key = gone[pick % len(gone)]
            old = side.store.deleted[key].content
            side.store.put(self._anew(side, key) if is_changed else old)

    def move(self, center_id: str, pick: int, to: str) -> None:
        side = self._side(center_id)
        movable = sorted(key for key in side.store.current if key[0] in MOVABLE)
        if movable:
            resource_type, resource_id = movable[pick % len(movable)]
            self._put(side, resource_type, resource_id, to)

    def recode(self, center_id: str, pick: int) -> None:
        side = self._side(center_id)
        scores = sorted(key for key in side.store.current if key[0] == "Observation")
        if scores:
            key = scores[pick % len(scores)]
            is_asked = side.store.current[key].content["code"] != made(*key, "", 0, "R4")["code"]
            self._put(side, *key, self._patient(side, key), code=None if is_asked else BODY_WEIGHT)

    def join(self, center_id: str, patient_id: str) -> None:
        side = self._side(center_id)
        self._put(side, "Patient", patient_id, patient_id)
        self._put(side, "Procedure", self._new_id(), patient_id)

    @rule(center_id=center_ids, kind=edit_kinds, pick=picks, node=node_clocks)
    def edit(self, center_id: str, kind: str, pick: int, node: str) -> None:
        """Somebody writes, corrects, deletes … something."""
        match kind:
            case "write":
                self.write(center_id, TYPES[1 + pick % 5], pick, node)
            case "correct":
                self.correct(center_id, pick, node)
            case "restore":
                self.restore(center_id, pick, pick % 2 == 0)
            case "move":
                self.move(center_id, pick, (*MEMBERS, *STRANGERS)[pick % 7])
            case "join":
                self.join(center_id, STRANGERS[pick % 4])
            case _:
                getattr(self, kind)(center_id, pick)

    @rule(center_id=center_ids, kind=edit_kinds, pick=picks, node=node_clocks, time=waits)
    def edit_and_wait(self, center_id: str, kind: str, pick: int, node: str, time: dt.timedelta) -> None:
        """The same, and time passes."""
        self.edit(center_id, kind, pick, node)
        self.study.world.wait(time)

    @rule(time=waits)
    def wait(self, time: dt.timedelta) -> None:
        self.study.world.wait(time)

    @rule(center_id=center_ids, rules=reconcile_rules)
    def night(self, center_id: str, rules: ReconcileRules) -> None:
        self._night(self._side(center_id), rules=rules)

    @rule(center_id=center_ids, faults=faults())
    def bad_night(self, center_id: str, faults: list[Fault]) -> None:
        self._night(self._side(center_id), faults)

    @rule(
        center_id=center_ids,
        happening=st.sampled_from(["correct", "delete", "write", "wait"]),
        resource_type=st.sampled_from(COVERED_TYPES),
        nth=st.integers(1, 9),
        pick=picks,
        time=waits,
    )
    def busy_night(
        self, center_id: str, happening: str, resource_type: str, nth: int, pick: int, time: dt.timedelta
    ) -> None:
        """Something happens, and time passes, while a type is being read."""
        side = self._side(center_id)

        def happen() -> None:
            of_type = sorted(key for key in side.store.current if key[0] == resource_type)
            if happening == "write":
                self._put(side, resource_type, self._new_id(), MEMBERS[pick % 3])
            elif of_type and happening == "delete":
                side.store.delete(of_type[pick % len(of_type)])
            elif of_type and happening == "correct":
                self._change(side, of_type[pick % len(of_type)], lambda _, anew: anew)
            self.study.world.wait(time)

        self._night(side, events=[Event(resource_type, nth, happen)])

    @rule(center_id=center_ids)
    def back_up(self, center_id: str) -> None:
        side = self._side(center_id)
        self._backups[side.center_id] = side.store.backup()

    @precondition(lambda self: self._backups)
    @rule(pick=picks)
    def restore_backup(self, pick: int) -> None:
        """A server set back in time: no search by _lastUpdated tells, a reconciliation must."""
        center_id = sorted(self._backups)[pick % len(self._backups)]
        side = self._side(center_id)
        side.store.restore_backup(self._backups.pop(center_id))
        self._has_failed = True
        self.study.converge(side)
        self._has_failed = False

    def teardown(self) -> None:
        try:
            if self._study is not None and not self._has_failed:
                self.study.converge()
        finally:
            self._stack.close()

    def _side(self, center_id: str) -> CenterSide:
        sides = self.study.sides
        return sides.get(center_id, sides["a"])

    def _night(
        self,
        side: CenterSide,
        faults: list[Fault] | None = None,
        events: list[Event] | None = None,
        rules: ReconcileRules = WEEKLY,
    ) -> None:
        self._has_failed = True
        self.study.sync(side, faults, events, rules)
        self._has_failed = False

    def _fill(self, side: CenterSide, resource_type: str, patient_id: str, copies: int) -> None:
        if not copies:
            self._put(side, resource_type, patient_id, patient_id)
        for _ in range(copies):
            self._put(side, resource_type, self._new_id(), patient_id)

    def _put(
        self,
        side: CenterSide,
        resource_type: str,
        resource_id: str,
        patient_id: str,
        node: str = "right",
        code: tuple[str, str] | None = None,
    ) -> None:
        self._number += 1
        content = made(resource_type, resource_id, patient_id, self._number, side.store.fhir_version, code)
        side.store.put(content, node_ahead=self._ahead(node))

    def _change(
        self,
        side: CenterSide,
        key: Key | None,
        change: Callable[[dict[str, object], dict[str, object]], dict[str, object]],
        node: str = "right",
    ) -> None:
        if key is not None:
            content = side.store.current[key].content
            side.store.put(change(content, self._anew(side, key)), node_ahead=self._ahead(node))

    def _anew(self, side: CenterSide, key: Key) -> dict[str, object]:
        """Another content of the same resource: patient and code stay."""
        self._number += 1
        old = (side.store.current.get(key) or side.store.deleted[key]).content
        told = old.get("code")
        code = (told["coding"][0]["system"], told["coding"][0]["code"]) if told else None
        return made(*key, self._patient(side, key), self._number, side.store.fhir_version, code)

    def _patient(self, side: CenterSide, key: Key) -> str:
        return patient_of((side.store.current.get(key) or side.store.deleted[key]).content)

    def _chosen(self, side: CenterSide, pick: int) -> Key | None:
        """Any resource, or every other time one that was written lately: trouble comes in succession."""
        recent = [key for key in side.store.recent if key in side.store.current][-3:]
        keys = recent if recent and pick % 2 else sorted(side.store.current)
        return keys[pick // 2 % len(keys)] if keys else None

    def _new_id(self) -> str:
        self._number += 1
        return f"r{self._number:04}"

    def _ahead(self, node: str) -> dt.timedelta:
        ahead = {"right": NOTHING, "behind": -self._behind, "2 s ahead": 2 * SECOND}
        return ahead.get(node, dt.timedelta(days=3))


def try_sequences(*, seed_offset: int = 0, is_shrinking: bool = True) -> None:
    """Run the machine within the budget; a failure names its seed."""
    seed = SEED + seed_offset
    machine = hypothesis.seed(seed)(type("Nights", (Nights,), {}))
    try:
        run_state_machine_as_test(machine, settings=budget(is_shrinking=is_shrinking))
    except AssertionError as error:
        error.add_note(f"CRYOCOHORT_SEED={seed} CRYOCOHORT_EXAMPLES={EXAMPLES}")
        raise
