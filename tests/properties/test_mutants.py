"""A suite that a broken product passes is decoration: each classic mistake must be caught by the machine."""

import pytest
from hypothesis.stateful import run_state_machine_as_test

from tests.properties.budget import budget
from tests.properties.machine import Nights
from tests.properties.mutants import MUTANTS, Mutant, mutated


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_machine_catches(mutant: Mutant) -> None:
    with mutated(mutant), pytest.raises(AssertionError, match=r"I\d"):
        run_state_machine_as_test(Nights, settings=budget(is_shrinking=False))
