"""For every write of a night to the disk: when it fails, the night says so, and the next mends."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.status import read_status
from tests.properties.configured_night import (
    Backup,
    Place,
    one_query_at_a_time,
    place,
    prepare_second_night,
    with_three_types,
    without_patience,
)
from tests.properties.failing_files import FailingDisk, refuses


@pytest.fixture
def second_night(quick_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Place, Path, Backup]]:
    without_patience(monkeypatch)
    with_three_types(monkeypatch)
    one_query_at_a_time(monkeypatch)
    with place(quick_folder, ["a"]) as here:
        yield here, *prepare_second_night(here)


@pytest.mark.row(70)
@pytest.mark.row(78)
@pytest.mark.parametrize("first", [1, 2], ids=["odd", "even"])  # halves, so that two cores share them
def test_a_night_whose_nth_write_fails_is_mended_by_the_next(
    second_night: tuple[Place, Path, Backup], first: int
) -> None:
    here, kept, backup = second_night
    failed: set[str] = set()
    for nth in range(first, 1000, 2):
        here.put_back(kept)
        here.restore(backup)
        disk = FailingDisk(here.data, nth)
        with pytest.MonkeyPatch.context() as patch:
            disk.install(patch)
            is_refused = refuses(here.sync)
        assert is_refused == bool(disk.failed), f"write {nth} ({disk.failed}) failed: the night hides it"
        if not is_refused:
            break
        failed.add(disk.failed)
        here.sync()
        after = here.outcome()
        assert after.differences == [], f"write {nth} ({disk.failed}) failed: not mended"
        assert "running" not in after.runs, f"write {nth} ({disk.failed}) failed: a run never ended"
        assert read_status(here.data).runs[0].status == "complete"
        assert [*here.data.rglob("*.writing"), *here.data.rglob("*.new")] == []
    assert nth > 20
    assert failed >= {"open", "fsync", "replace"}
