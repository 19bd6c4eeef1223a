"""Migrations: applied once, in order, never changed afterwards."""

from pathlib import Path

import duckdb
import pytest
from landing_examples import a_run, patient, unit

from mappings.errors import WarehouseError
from warehouse.connection import Warehouse
from warehouse.land import land
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


def older_warehouse(folder: Path, version: int) -> None:
    """A small warehouse as the first `version` migrations made it."""
    folder.mkdir(parents=True)
    with duckdb.connect(str(folder / "work.duckdb")) as connection:
        for migration in load_migrations()[:version]:
            connection.execute(migration.sql)
            connection.execute(
                "INSERT INTO ops.schema_migration VALUES (?, ?, ?, TIMESTAMP '2025-01-01')",
                [migration.version, migration.name, migration.sha256],
            )
        connection.execute(
            "INSERT INTO ops.run VALUES (1, 'sync', TIMESTAMP '2025-01-01', NULL, 'running', '0', 'f', '')"
        )
        connection.execute(
            "INSERT INTO ops.head VALUES ('a', 'Patient', 'p1', '1', NULL, 'hash', 1, 'raw/a/Patient/1')"
        )
        connection.execute("UPDATE ops.last_transaction SET number = 5")


@pytest.mark.row(80)
@pytest.mark.parametrize("version", range(1, len(load_migrations())))
def test_a_warehouse_of_every_earlier_version_is_upgraded_with_what_it_holds(
    folder: Path, version: int
) -> None:
    older_warehouse(folder, version)
    with Warehouse.open(folder) as upgraded:
        assert len(upgraded.rows("FROM ops.schema_migration")) == len(load_migrations())
        assert [row["resource_id"] for row in upgraded.rows("FROM ops.head")] == ["p1"]
        land(upgraded, unit(a_run(upgraded), patient("p2")))
        runs = upgraded.rows("SELECT status FROM ops.run ORDER BY run_id")
    assert [run["status"] for run in runs] == ["failed", "running"]
    assert not (folder / "spill" / "migrated.duckdb").exists()


@pytest.mark.row(80)
def test_a_migration_that_fails_on_the_copy_leaves_the_warehouse_untouched(
    folder: Path, migrations: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Warehouse.open(folder).close()
    before = (folder / "work.duckdb").read_bytes()
    number = len(load_migrations()) + 1
    (migrations / f"{number:03d}_good.sql").write_text("CREATE TABLE ops.good (x INTEGER);")
    (migrations / f"{number + 1:03d}_bad.sql").write_text("SELECT * FROM ops.no_such_table;")
    monkeypatch.setattr("warehouse.migrate.load_migrations", lambda _: load_migrations(migrations))
    with pytest.raises(WarehouseError, match=f"{number + 1:03d}_bad failed"):
        Warehouse.open(folder)
    assert (folder / "work.duckdb").read_bytes() == before
    assert list((folder / "spill").iterdir()) == []


@pytest.mark.row(80)
def test_an_upgrade_without_room_for_a_copy_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    older_warehouse(folder, 3)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("warehouse.migrate.shutil.copyfile", full)
        with pytest.raises(WarehouseError, match=r"tried on a copy \(No space left"):
            Warehouse.open(folder)
    Warehouse.open(folder).close()


@pytest.mark.parametrize("name", ["003_gap.sql", "1_short.sql", "second.sql"])
def test_misnumbered_migrations_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "001_first.sql").write_text("SELECT 1;")
    (tmp_path / name).write_text("SELECT 1;")
    with pytest.raises(WarehouseError):
        load_migrations(tmp_path)
