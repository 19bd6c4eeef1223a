"""For every write of a publication: when it fails, readers have a whole release; the next is published."""

import pytest
from build_examples import release_of
from landing_examples import NOON, a_run

from tests.properties.failing_files import FailingDisk, refuses
from warehouse.connection import Warehouse
from warehouse.manifest import verify_manifest
from warehouse.mart import open_mart
from warehouse.publish import current_release, publish
from warehouse.runs import finish_run


@pytest.mark.row(70)
def test_whatever_write_fails_readers_have_a_whole_release_and_the_next_is_published(
    warehouse: Warehouse,
) -> None:
    finish_run(warehouse, a_run(warehouse), status="complete", now=NOON)
    publish(warehouse, release_of(1))
    failed: list[str] = []
    for nth in range(1, 500):
        before = current_release(warehouse.folder)
        disk = FailingDisk(warehouse.folder / "marts", nth)
        with pytest.MonkeyPatch.context() as patch:
            disk.install(patch)
            is_refused = refuses(lambda: publish(warehouse, release_of(1)))
        assert is_refused == bool(disk.failed), f"write {nth} ({disk.failed}) failed and nobody was told"
        now = current_release(warehouse.folder)
        verify_manifest(now)
        with open_mart(warehouse.folder) as mart:
            assert mart.rows("SELECT run_id, status FROM ops.run") == [{"run_id": 1, "status": "complete"}]
        if not is_refused:
            break
        failed.append(disk.failed)
        # Only what fails after the swap (the move of an old release that leaves) may show the new release.
        assert now == before or "replace" in failed[:-1]
    assert now != before
    assert set(failed) == {"mkdir", "chmod", "open", "write", "fsync", "rename", "symlink", "replace"}
    assert warehouse.rows("SELECT max(release) AS newest FROM ops.release") == [{"newest": int(now.name)}]
