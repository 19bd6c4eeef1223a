"""A suite that a broken product passes is decoration: the machine must catch each classic mistake.

Each mistake is made on a way on which it loses something; the sound product survives every way.
"""

import pytest

from tests.properties.mutants import MUTANTS, Mutant, mutated


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_machine_catches(mutant: Mutant) -> None:
    way = MUTANTS[mutant]
    way()
    with mutated(mutant), pytest.raises(AssertionError, match=r"^I\d"):
        way()
