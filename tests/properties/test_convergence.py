"""Whatever happens on two servers and in the nights between, one good sync mends it; nobody was lied to."""

from hypothesis.stateful import run_state_machine_as_test

from tests.properties.budget import budget
from tests.properties.machine import Nights


def test_any_sequence_of_events_and_nights_converges() -> None:
    run_state_machine_as_test(Nights, settings=budget())
