"""For every request of a night: when it fails, nothing is called complete that is not; the next mends."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mappings.errors import CryocohortError
from tests.properties.configured_night import (
    Backup,
    Place,
    one_query_at_a_time,
    place,
    prepare_second_night,
    with_three_types,
    without_patience,
)
from tests.properties.model_server import Fault, FaultKind

KINDS: tuple[FaultKind, ...] = (
    "500",
    "cut",
    "close",
    "loss",
    "reset",
    "404",
    "html",
    "401",
    "lost entry",
    "429",
)
FOR_GOOD = 10**6


@pytest.fixture
def second_night(quick_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Place, Path, Backup]]:
    without_patience(monkeypatch)
    with_three_types(monkeypatch)
    one_query_at_a_time(monkeypatch, page_size=2)
    with place(quick_folder, ["a"]) as here:
        yield here, *prepare_second_night(here)


def is_called_complete(here: Place) -> bool:
    """Run the night; what it raises, what the ledger says and what it holds must agree."""
    try:
        here.sync()
        expected = "complete"
    except CryocohortError:
        expected = "incomplete"
    outcome = here.outcome()
    assert outcome.status == expected
    assert outcome.differences == [] or expected == "incomplete"
    return expected == "complete"


@pytest.mark.row(1)
@pytest.mark.row(2)
@pytest.mark.row(60)
@pytest.mark.parametrize(
    "times",
    [1, pytest.param(3, marks=pytest.mark.soak), FOR_GOOD],
    ids=["once", "three times", "for good"],
)
def test_a_night_whose_nth_request_fails_is_mended_by_the_next(
    second_night: tuple[Place, Path, Backup], times: int
) -> None:
    here, kept, backup = second_night
    failed_nights = fired = 0
    for first in range(1, 1000):
        here.put_back(kept)
        here.restore(backup)
        fault = Fault(KINDS[first % len(KINDS)], lambda _, number, first=first: number >= first, times)
        here.servers["a"].arm([fault])
        failed_nights += not is_called_complete(here)
        here.servers["a"].arm()
        if not fault.fired:
            break
        fired += fault.fired
        here.sync()
        assert here.outcome().differences == [], f"request {first} failed ({fault.kind}): not mended"
    assert first > 15
    assert fired >= first - 1
    assert failed_nights > (first - 1) / 4
