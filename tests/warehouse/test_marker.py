"""A database that lost committed transactions is not opened as if nothing had happened."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from mappings.errors import WarehouseError
from warehouse.connection import Warehouse

CRASH = """
import os, signal, sys
from pathlib import Path
from warehouse.connection import Warehouse
warehouse = Warehouse.open(Path(sys.argv[1]))
with warehouse.transaction() as transaction:
    transaction.execute("INSERT INTO ops.system_alias VALUES ('x', 'y')")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def crashed(folder: Path) -> Path:
    """A warehouse whose last transaction is in its log alone."""
    Warehouse.open(folder).close()
    ended = subprocess.run([sys.executable, "-c", CRASH, str(folder)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert (folder / "work.duckdb.wal").is_file()
    return folder


@pytest.mark.row(71)
def test_a_deleted_log_is_noticed_and_the_backup_is_named(crashed: Path) -> None:
    (crashed / "work.duckdb.wal").unlink()
    with duckdb.connect(str(crashed / "work.duckdb"), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM ops.system_alias").fetchone() == (0,)
    with pytest.raises(WarehouseError, match="has lost transactions") as caught:
        Warehouse.open(crashed)
    assert "cryocohort restore" in caught.value.next_step
    with pytest.raises(WarehouseError, match="has lost transactions"):
        Warehouse.open(crashed)


@pytest.mark.row(71)
def test_an_older_file_put_in_its_place_is_noticed(folder: Path) -> None:
    with Warehouse.open(folder) as warehouse, warehouse.at_rest():
        older = (folder / "work.duckdb").read_bytes()
    with Warehouse.open(folder) as warehouse, warehouse.transaction() as transaction:
        transaction.execute("INSERT INTO ops.system_alias VALUES ('x', 'y')")
    (folder / "work.duckdb").write_bytes(older)
    with pytest.raises(WarehouseError, match="has lost transactions"):
        Warehouse.open(folder)
    (folder / "last_transaction").unlink()
    Warehouse.open(folder).close()


@pytest.mark.row(68)
def test_a_crash_alone_loses_nothing(crashed: Path) -> None:
    with Warehouse.open(crashed) as warehouse:
        assert len(warehouse.rows("FROM ops.system_alias")) == 1
        assert os.stat(crashed / "last_transaction").st_mode & 0o777 == 0o600  # noqa: PTH116


@pytest.mark.row(68)
def test_a_note_that_lags_behind_or_is_no_number_is_no_obstacle(crashed: Path) -> None:
    for text in ("", "half a num", "0"):
        (crashed / "last_transaction").write_text(text)
        Warehouse.open(crashed).close()


@pytest.mark.row(72)
def test_no_table_has_an_index_that_could_go_stale(warehouse: Warehouse) -> None:
    assert warehouse.rows("FROM duckdb_indexes()") == []
    assert (
        warehouse.rows("FROM duckdb_constraints() WHERE constraint_type IN ('PRIMARY KEY', 'UNIQUE')") == []
    )
