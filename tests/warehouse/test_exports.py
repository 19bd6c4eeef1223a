"""Exports under way are in the ledger until they were read to their end."""

import dataclasses
import datetime as dt
from pathlib import Path

from warehouse.connection import Warehouse
from warehouse.exports import OpenExport, forget_export, note_export, open_exports

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
FIRST = OpenExport("a", "print", "https://x.example.org/1", None, NOON, NOON, 1)


def test_an_export_is_there_after_the_process_and_the_newest_comes_first(tmp_path: Path) -> None:
    newer = dataclasses.replace(
        FIRST, status_url="https://x.example.org/2", since=NOON, kicked_off_at=NOON + dt.timedelta(hours=1)
    )
    other = dataclasses.replace(FIRST, center_id="b")
    with Warehouse.open(tmp_path / "w") as warehouse:
        for export in (FIRST, newer, other):
            note_export(warehouse, export)
    with Warehouse.open(tmp_path / "w") as warehouse:
        assert open_exports(warehouse, "a") == [newer, FIRST]
        assert open_exports(warehouse, "b") == [other]


def test_an_export_that_was_read_is_forgotten_and_the_others_stay(tmp_path: Path) -> None:
    with Warehouse.open(tmp_path / "w") as warehouse:
        other = dataclasses.replace(FIRST, center_id="b")
        note_export(warehouse, FIRST)
        note_export(warehouse, other)
        forget_export(warehouse, FIRST)
        assert open_exports(warehouse, "a") == []
        assert open_exports(warehouse, "b") == [other]
