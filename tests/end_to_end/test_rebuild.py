"""What is derived can be lost: from raw alone a refresh makes every table again, row for row."""

import shutil
from pathlib import Path

import pytest

from service.run import open_warehouse
from tests.end_to_end.conftest import Night1, Study
from warehouse.catalog import drop_tables_but
from warehouse.manifest import verify_manifest
from warehouse.releases import current_release

DERIVED_LEDGER = ("ops.flat_head", "ops.flat_fill", "ops.built_from")


@pytest.fixture
def copied(first_night: Night1, tmp_path: Path) -> Study:
    shutil.copytree(first_night.study.folder, tmp_path / "study", symlinks=True)
    return Study(tmp_path / "study", first_night.study.servers)


def content(study: Study) -> dict[str, str]:
    """The hash of each table of the current release that does not tell of runs."""
    hashes = verify_manifest(current_release(study.settings.warehouse_folder))["content"]
    of_runs = {"outcomes.metric_result", "outcomes.curve_result"}
    return {t: each for t, each in hashes.items() if not t.startswith("ops.") and t not in of_runs}


def test_a_rebuild_from_raw_gives_the_same_hashes(copied: Study) -> None:
    before = content(copied)
    with open_warehouse(copied.settings) as warehouse, warehouse.transaction() as transaction:
        drop_tables_but(transaction, ("flat", "core"), ())
        for table in DERIVED_LEDGER:
            transaction.execute(f"DELETE FROM {table}")  # noqa: S608 - three names of ours
    refreshed = copied.refresh()
    built = {table.table for table in refreshed.tables if table.reasons}
    assert {"flat.observation", "flat.patient", "core.patient", "core.flow"} <= built
    assert refreshed.release.number == 2
    assert content(copied) == before
    assert len(before) > 10
