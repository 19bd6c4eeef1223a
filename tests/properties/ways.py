"""Ways to lose something: for each classic mistake of incremental sync a sequence that it does not survive.

A way drives the machine's own events and nights, so the machine's own invariants judge it. The mutants of
mutants.py name their way; the sound product must survive every one of them.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ingest.context import ReconcileRules
from tests.properties.machine import HOUR, MINUTE, NOTHING, SECOND, Nights
from tests.properties.model_server import Fault, Request

Bears = tuple[dt.timedelta, dt.timedelta, dt.timedelta]  # overlap, index lag, how far a node may be behind
Way = Callable[[], None]

NO_OVERLAP: Bears = (NOTHING, NOTHING, NOTHING)


@contextmanager
def nights(
    bears: Bears = NO_OVERLAP,
    *,
    skew: dt.timedelta = NOTHING,
    order: str = "id",
    vanishes: bool = False,
    is_read: bool = True,
) -> Iterator[Nights]:
    """One center, populated and read; what follows must end as the server has it."""
    machine = Nights()
    try:
        machine.populate(
            bears=bears,
            skew=(skew, NOTHING),
            order=order,
            vanishes=vanishes,
            is_alone=True,
            is_read=is_read,
        )
        yield machine
        machine.study.converge()
    finally:
        machine._stack.close()


def written_before_the_index_knows() -> None:
    with nights((10 * MINUTE, 5 * MINUTE, NOTHING)) as machine:
        machine.correct("a", _pick(machine, "Observation"), "right")
        machine.wait(SECOND)
        machine.night("a", ReconcileRules())
        machine.wait(HOUR)


def written_at_the_instant_of_the_watermark() -> None:
    with nights() as machine:
        machine.correct("a", _pick(machine, "Observation"), "right")
        machine.wait(HOUR)


def stamped_by_a_clock_days_ahead() -> None:
    with nights((10 * MINUTE, NOTHING, NOTHING)) as machine:
        machine.correct("a", _pick(machine, "Observation"), "3 days ahead")
        machine.night("a", ReconcileRules())
        machine.wait(HOUR)
        machine.correct("a", _pick(machine, "Observation", 1), "right")
        machine.wait(HOUR)
        machine.night("a", ReconcileRules())


def written_behind_the_walk_while_it_goes_on() -> None:
    with nights(is_read=False) as machine:
        machine.busy_night("a", "correct", "Observation", 3, 0, 10 * MINUTE)
        machine.wait(HOUR)


def written_on_a_server_whose_clock_is_behind() -> None:
    with nights(skew=-40 * MINUTE) as machine:
        machine.wait(MINUTE)
        machine.correct("a", _pick(machine, "Observation"), "right")
        machine.wait(HOUR)
        machine.night("a", ReconcileRules())


def left_out_and_said_so() -> None:
    with nights() as machine:
        machine.wait(HOUR)
        machine.correct("a", _pick(machine, "Observation"), "right")
        machine.wait(SECOND)
        machine.bad_night("a", [Fault("loss", lambda request, _: request.resource_type == "Observation")])
        machine.wait(HOUR)


def failing_on_the_last_page() -> None:
    def is_late(request: Request, _: int) -> bool:
        return request.resource_type == "Observation" and int(request.form.get("_offset", "0")) >= 15

    with nights(is_read=False) as machine:
        for member in (0, 1, 2, 0, 1, 2):  # 18 of the members' observations: 15 fit on a page of ids
            machine.write("a", "Observation", member, "right")
        machine.bad_night("a", [Fault("500", is_late, 99)])


def joining_with_an_old_history() -> None:
    with nights() as machine:
        machine.wait(26 * HOUR)
        machine.night("a", ReconcileRules())
        machine.join("a", "s1")
        machine.night("a", ReconcileRules())


def leaving_the_index_until_it_has_caught_up() -> None:
    with nights((10 * MINUTE, 5 * MINUTE, NOTHING), vanishes=True) as machine:
        machine.wait(HOUR)
        machine.correct("a", _pick(machine, "Observation"), "right")
        machine.night("a", ReconcileRules(is_forced=True))


def deleted_before_the_page_being_read() -> None:
    with nights(is_read=False) as machine:
        machine.busy_night("a", "delete", "Observation", 3, 0, NOTHING)


def corrected_by_a_node_whose_clock_is_behind() -> None:
    with nights((10 * MINUTE, NOTHING, 10 * MINUTE)) as machine:
        machine.wait(HOUR)
        machine.correct("a", _pick(machine, "Observation"), "right")
        machine.night("a", ReconcileRules())
        machine.wait(SECOND)
        machine.correct("a", _pick(machine, "Observation"), "behind")
        machine.wait(MINUTE)
        machine.night("a", ReconcileRules())


def _pick(machine: Nights, resource_type: str, nth: int = 0) -> int:
    """The number by which the machine picks the nth resource of a type."""
    keys = sorted(machine.study.sides["a"].store.current)
    of_type = [index for index, key in enumerate(keys) if key[0] == resource_type]
    return 2 * of_type[nth]
