"""Whatever happens on two servers and in the nights between, one good sync mends it; nobody was lied to."""

import pytest

from tests.properties.machine import try_sequences


@pytest.mark.row(3)
@pytest.mark.row(5)
@pytest.mark.row(14)
@pytest.mark.row(23)
@pytest.mark.row(59)
@pytest.mark.row(61)
@pytest.mark.row(67)
def test_any_sequence_of_events_and_nights_converges() -> None:
    try_sequences()


@pytest.mark.soak
@pytest.mark.parametrize("more", range(1, 11))
def test_any_sequence_converges_from_other_seeds(more: int) -> None:
    try_sequences(seed_offset=more)
