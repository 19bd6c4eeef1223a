"""A suite that a broken product passes is decoration: the machine must catch each classic mistake.

Seed and number of examples are those with which the sound product passes (test_convergence.py).
"""

import pytest

from tests.properties.machine import try_sequences
from tests.properties.mutants import MUTANTS, Mutant, mutated


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_machine_catches(mutant: Mutant) -> None:
    with mutated(mutant), pytest.raises(AssertionError, match=r"^I\d"):
        try_sequences(is_shrinking=False)
