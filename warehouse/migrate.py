"""Numbered migrations of the ledger: `migrations/NNN_name.sql`, each applied once, in one transaction.

Only what cannot be derived lives in migrated tables. Views and SQL files rebuild everything else every run.
"""

import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from mappings.errors import WarehouseError

MIGRATIONS = Path(__file__).with_name("migrations")


@dataclass(frozen=True, slots=True)
class Migration:
    """One migration file: its number, name, text and checksum."""

    version: int
    name: str
    sql: str
    sha256: str


def load_migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """Read the migration files of `folder`, in order of their numbers, which must run 1, 2, 3, …"""
    migrations = [_load(path) for path in sorted(folder.glob("*.sql"))]
    if [migration.version for migration in migrations] != list(range(1, len(migrations) + 1)):
        raise WarehouseError(
            f"The migrations in {folder} are not numbered 001, 002, 003 and so on.",
            "Reinstall cryocohort; its files are not complete.",
        )
    return migrations


def _load(path: Path) -> Migration:
    match = re.fullmatch(r"(\d{3})_(\w+)\.sql", path.name)
    if match is None:
        raise WarehouseError(f"{path} is not named NNN_name.sql.", "Rename the migration.")
    text = path.read_text(encoding="utf-8")
    return Migration(int(match[1]), match[2], text, hashlib.sha256(text.encode("utf-8")).hexdigest())


def migrate(connection: duckdb.DuckDBPyConnection, folder: Path = MIGRATIONS) -> int:
    """Apply the missing migrations and return the version reached.

    Raises WarehouseError when a newer version wrote the warehouse or an applied migration has changed since.
    """
    migrations = load_migrations(folder)
    applied = _applied(connection)
    _compare(migrations, applied)
    for migration in migrations[len(applied) :]:
        _apply(connection, migration)
    return len(migrations)


def is_upgrade(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the warehouse is one of an older version: it holds a ledger, and migrations are missing."""
    return bool(_applied(connection)) and require_known(connection) > 0


def migrate_copy(file: Path, copy: Path, config: dict[str, Any]) -> None:
    """Try the missing migrations on a copy of a closed database, and delete the copy.

    Raises WarehouseError when they fail there, or the copy finds no room: the database itself is untouched.
    """
    try:
        copy.unlink(missing_ok=True)
        shutil.copyfile(file, copy)
        with duckdb.connect(str(copy), config=config) as connection:
            migrate(connection)
    except OSError as error:
        raise WarehouseError(
            f"The upgrade of the warehouse could not be tried on a copy ({error.strerror}).",
            f"make room for a second {file.name}; the warehouse is as it was before.",
        ) from None
    finally:
        copy.unlink(missing_ok=True)
        copy.with_name(f"{copy.name}.wal").unlink(missing_ok=True)


def require_known(connection: duckdb.DuckDBPyConnection, folder: Path = MIGRATIONS) -> int:
    """How many migrations are still to be applied; applies none. Raises WarehouseError as `migrate` does."""
    migrations, applied = load_migrations(folder), _applied(connection)
    _compare(migrations, applied)
    return len(migrations) - len(applied)


def _applied(connection: duckdb.DuckDBPyConnection) -> dict[int, str]:
    known = connection.execute(
        "SELECT count(*) FROM duckdb_tables() WHERE schema_name = 'ops' AND table_name = 'schema_migration'"
    ).fetchone()
    if known == (0,):
        return {}
    rows = connection.execute("SELECT version, sha256 FROM ops.schema_migration").fetchall()
    return {int(version): str(sha256) for version, sha256 in rows}


def _compare(migrations: list[Migration], applied: dict[int, str]) -> None:
    if len(applied) > len(migrations):
        raise WarehouseError(
            f"A newer cryocohort wrote this warehouse: it has {len(applied)} migrations, "
            f"this version knows {len(migrations)}.",
            "Use the newer cryocohort, or restore the copy made before the upgrade.",
        )
    for migration in migrations[: len(applied)]:
        if applied.get(migration.version) != migration.sha256:
            raise WarehouseError(
                f"Migration {migration.version:03d}_{migration.name} has changed since it was applied.",
                "Reinstall the cryocohort version that wrote this warehouse, then upgrade.",
            )


def _apply(connection: duckdb.DuckDBPyConnection, migration: Migration) -> None:
    connection.execute("BEGIN TRANSACTION")
    try:
        connection.execute(migration.sql)
        connection.execute(
            "INSERT INTO ops.schema_migration SELECT ?, ?, ?, now() AT TIME ZONE 'UTC'",
            [migration.version, migration.name, migration.sha256],
        )
        connection.execute("COMMIT")
    except duckdb.Error as error:
        connection.execute("ROLLBACK")
        raise WarehouseError(
            f"Migration {migration.version:03d}_{migration.name} failed ({type(error).__name__}).",
            "Report this as a defect; the warehouse is as it was before.",
        ) from None
