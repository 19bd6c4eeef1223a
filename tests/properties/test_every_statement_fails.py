"""For every database statement of a night: when it fails, the warehouse is old or new, and the next mends."""

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
from tests.properties.failing_database import Mode, StatementCounter


@pytest.fixture
def second_night(quick_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Place, Path, Backup]]:
    without_patience(monkeypatch)
    with_three_types(monkeypatch)
    one_query_at_a_time(monkeypatch)
    with place(quick_folder, ["a"]) as here:
        yield here, *prepare_second_night(here)


def is_called_complete(here: Place, counter: StatementCounter) -> bool:
    """Run the night on a database that fails once; whatever it raises is of our own tree."""
    with pytest.MonkeyPatch.context() as patch:
        counter.install(patch)
        try:
            here.sync()
        except CryocohortError:
            return False
    return True


@pytest.mark.row(68)
@pytest.mark.row(69)
@pytest.mark.row(78)
@pytest.mark.parametrize("mode", ["error", "after commit", pytest.param("fatal", marks=pytest.mark.soak)])
@pytest.mark.parametrize("first", [1, 2], ids=["odd", "even"])  # halves, so that two cores share them
def test_a_night_whose_nth_statement_fails_is_mended_by_the_next(
    second_night: tuple[Place, Path, Backup], mode: Mode, first: int
) -> None:
    here, kept, backup = second_night
    failed: set[str] = set()
    for nth in range(first, 2000, 2):
        here.put_back(kept)
        here.restore(backup)
        counter = StatementCounter(nth, mode)
        if is_called_complete(here, counter):
            outcome = here.outcome()
            assert outcome.status == "complete", f"statement {nth} failed: told complete, noted otherwise"
            assert outcome.differences == [], f"statement {nth} failed: called complete and is not"
        if not counter.failed:
            break
        failed.add(counter.failed)
        here.sync()
        after = here.outcome()
        assert after.differences == [], f"statement {nth} ({counter.failed}) failed: not mended"
        assert "running" not in after.runs, f"statement {nth} ({counter.failed}) failed: a run never ended"
    assert nth > 5
    assert failed >= ({"COMMIT"} if mode == "after commit" else {"INSERT", "SELECT"})
