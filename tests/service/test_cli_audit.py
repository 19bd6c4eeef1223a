"""`cryocohort audit`: what it shows, and that it finds the entry which was tampered with."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from mappings.errors import WarehouseError
from service.cli_audit import show, verify
from service.configuration import load_settings
from service.demo.workplace import prepare
from service.run import open_warehouse
from warehouse.runs import finish_run, start_run

NOW = dt.datetime(2026, 11, 1, 3, tzinfo=dt.UTC)


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    """A configured study after one run."""
    config = prepare(tmp_path, {"a": "http://127.0.0.1:9/fhir", "b": "http://127.0.0.1:9/fhir"})
    with open_warehouse(load_settings(config)) as warehouse:
        run_id = start_run(warehouse, kind="sync", now=NOW, version="0.1.0", config_fingerprint="abc")
        finish_run(warehouse, run_id, status="complete", now=NOW)
    return config


def test_entries_are_shown_oldest_first(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show(config)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["Entry", "1", "2"]
    assert "started" in lines[1]
    assert "complete" in lines[2]
    show(config, last=1)
    assert "started" not in capsys.readouterr().out


def test_a_whole_log_tells_its_head(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verify(config)
    assert capsys.readouterr().out.startswith("2 entries, unbroken; head ")


def test_a_changed_entry_is_named_and_ends_with_exit_14(config: Path) -> None:
    with open_warehouse(load_settings(config)) as warehouse, warehouse.transaction() as transaction:
        transaction.execute("UPDATE ops.audit SET outcome = 'failed' WHERE number = 2")
    with pytest.raises(WarehouseError, match="broken at entry 2 of 2") as caught:
        verify(config)
    assert caught.value.exit_code == 14
