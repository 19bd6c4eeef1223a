"""Migrations: applied once, in order, never changed afterwards."""

from pathlib import Path

import duckdb
import pytest

from mappings.errors import WarehouseError
from warehouse.connection import Warehouse
from warehouse.migrate import MIGRATIONS, load_migrations, migrate


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    for path in MIGRATIONS.glob("*.sql"):
        (tmp_path / path.name).write_text(path.read_text())
    return tmp_path


def test_a_new_warehouse_has_every_migration_noted_with_its_checksum(warehouse: Warehouse) -> None:
    noted = warehouse.rows("SELECT version, name, sha256 FROM ops.schema_migration ORDER BY version")
    shipped = [{"version": m.version, "name": m.name, "sha256": m.sha256} for m in load_migrations()]
    assert noted == shipped


def test_opening_again_applies_nothing_again(folder: Path) -> None:
    with Warehouse.open(folder) as first:
        before = first.rows("SELECT * FROM ops.schema_migration")
    with Warehouse.open(folder) as second:
        assert second.rows("SELECT * FROM ops.schema_migration") == before


def test_every_migrated_table_and_column_says_what_it_holds(warehouse: Warehouse) -> None:
    silent = warehouse.rows(
        "SELECT table_name AS name FROM duckdb_tables() WHERE comment IS NULL "
        "UNION ALL SELECT table_name || '.' || column_name FROM duckdb_columns() "
        "WHERE database_name = 'work' AND comment IS NULL"
    )
    assert silent == []


def test_a_later_migration_is_applied_to_an_older_warehouse(
    connection: duckdb.DuckDBPyConnection, migrations: Path
) -> None:
    migrate(connection, migrations)
    last = len(load_migrations(migrations))
    (migrations / f"{last + 1:03d}_more.sql").write_text("CREATE TABLE ops.more (x INTEGER);")
    assert migrate(connection, migrations) == last + 1
    assert connection.execute("SELECT count(*) FROM ops.more").fetchone() == (0,)


def test_a_changed_migration_is_refused(connection: duckdb.DuckDBPyConnection, migrations: Path) -> None:
    migrate(connection, migrations)
    changed = migrations / "001_ledger.sql"
    changed.write_text(changed.read_text() + "-- changed\n")
    with pytest.raises(WarehouseError, match="001_ledger has changed"):
        migrate(connection, migrations)


def test_a_warehouse_of_a_newer_version_is_refused(
    connection: duckdb.DuckDBPyConnection, migrations: Path
) -> None:
    migrate(connection, migrations)
    max(migrations.glob("*.sql")).unlink()
    with pytest.raises(WarehouseError, match="newer cryocohort"):
        migrate(connection, migrations)


def test_a_failing_migration_leaves_nothing_behind(
    connection: duckdb.DuckDBPyConnection, migrations: Path
) -> None:
    reached = migrate(connection, migrations)
    bad = migrations / f"{reached + 1:03d}_bad.sql"
    bad.write_text("CREATE TABLE ops.half (x INTEGER); SELECT * FROM ops.no_such_table;")
    with pytest.raises(WarehouseError, match=f"{reached + 1:03d}_bad failed"):
        migrate(connection, migrations)
    assert connection.execute(
        "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'half'"
    ).fetchone() == (0,)
    assert migrate(connection, MIGRATIONS) == reached


@pytest.mark.parametrize("name", ["003_gap.sql", "1_short.sql", "second.sql"])
def test_misnumbered_migrations_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "001_first.sql").write_text("SELECT 1;")
    (tmp_path / name).write_text("SELECT 1;")
    with pytest.raises(WarehouseError):
        load_migrations(tmp_path)
