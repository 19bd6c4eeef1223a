"""Exports: the tables of a release in one new folder, as Parquet or CSV, with dictionary and manifest.

Everything is read from the release, so no export can hold what the release does not. The folder is written
aside, 0600, and appears whole under its name. `safe_harbor` narrows it to what 45 CFR 164.514(b)(2) allows:
random ids that are derived from nothing and kept nowhere, years and intervals in days, ages of 90 and more as
one, centers without their names, rows in another order.
"""

import datetime as dt
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from mappings.errors import ConfigError
from warehouse.csv_cells import write_csv
from warehouse.dictionary import DescribedTable, describe_mart, write_dictionary
from warehouse.manifest import verify_manifest, write_manifest
from warehouse.mart import Mart, open_release
from warehouse.names import with_names
from warehouse.releases import MART_FILE
from warehouse.safe_harbor import SafeHarbor, described_safely
from warehouse.transaction import Row

Format = Literal["parquet", "csv"]


@dataclass(frozen=True, slots=True)
class Export:
    """What was written: the folder and the rows of each table."""

    folder: Path
    tables: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table of an export: its words and its rows, an Arrow table."""

    described: DescribedTable
    content: pa.Table


def export_release(
    release: Path, target: Path, form: Format, now: dt.datetime, *, safe_harbor: bool
) -> Export:
    """Write every table of the release in folder `release`, once its files are verified, into `target`.

    Raises ConfigError when `target` exists, WarehouseError when the release is not whole.
    """
    manifest = verify_manifest(release)
    with open_release(release / MART_FILE) as mart:
        tables = describe_mart(mart)
        sheets = _safe_sheets(mart, tables) if safe_harbor else _sheets(mart, tables)
        facts = {name: manifest[name] for name in ("release", "run_id", "published_at", "facts")}
        kind: Row = {"audience": "team", "safe_harbor": safe_harbor}
        if not safe_harbor:
            # A fingerprint of the key and the project's name belong to the pseudonyms.
            kind |= {name: manifest[name] for name in ("project", "key_fingerprints")}
        return write_export(sheets, target, form, {**facts, **kind, "exported_at": now.isoformat()})


def sheets_of(mart: Mart, tables: Mapping[str, Sequence[Row]]) -> Iterator[Sheet]:
    """Rows that were made from tables of an opened release, each with the words of its table."""
    described = {table.name: table for table in describe_mart(mart)}
    for name, rows in tables.items():
        schema = pa.schema([(column, _ARROW[kind]) for column, kind, _ in described[name].columns])
        yield Sheet(described[name], pa.Table.from_pylist(list(rows), schema=schema))


# The types of counts and figures.
_ARROW: Mapping[str, Any] = {
    "VARCHAR": pa.string(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
}


def release_facts(release: Path) -> Row:
    """What an export says of the release it was made from, once that is verified."""
    manifest = verify_manifest(release)
    return {name: manifest[name] for name in ("release", "run_id", "published_at", "facts")}


def _sheets(mart: Mart, tables: Sequence[DescribedTable]) -> Iterator[Sheet]:
    for table in tables:
        yield Sheet(table, mart.table(with_names("SELECT * FROM {table}", table=table.name)))


def _safe_sheets(mart: Mart, tables: Sequence[DescribedTable]) -> Iterator[Sheet]:
    safe_harbor = SafeHarbor()
    for sheet in _sheets(mart, tables):
        described = described_safely(sheet.described)
        if described is not None:
            rows = safe_harbor.rows(sheet.described, sheet.content.to_pylist())
            fields = [
                pa.field("index_year", pa.int32()) if field.name == "index_month" else field
                for field in sheet.content.schema
            ]
            yield Sheet(described, pa.Table.from_pylist(rows, schema=pa.schema(fields)))


def write_export(sheets: Iterator[Sheet], target: Path, form: Format, facts: Row) -> Export:
    """Write the tables, their dictionary and the manifest into the new folder `target`."""
    counts: dict[str, int] = {}
    described = []
    with _new_folder(target) as folder:
        for sheet in sheets:
            _write_sheet(sheet, folder, form)
            counts[sheet.described.name] = sheet.content.num_rows
            described.append(sheet.described)
        write_dictionary(described, folder)
        write_manifest(folder, {**facts, "format": form, "tables": counts})
    return Export(target, counts)


def _write_sheet(sheet: Sheet, folder: Path, form: Format) -> None:
    file = folder / f"{sheet.described.name}.{form}"
    if form == "parquet":
        pq.write_table(sheet.content, file, compression="zstd")
        return
    with file.open("w", encoding="utf-8", newline="") as text:
        batches = (batch.to_pylist() for batch in sheet.content.to_batches())
        write_csv(text, sheet.content.column_names, (row.values() for rows in batches for row in rows))


@contextmanager
def _new_folder(target: Path) -> Iterator[Path]:
    """A private folder beside `target` that takes its name when the block ends well."""
    before = os.umask(0o077)
    writing = target.with_name(f".{target.name}.writing")
    try:
        if target.exists():
            raise ConfigError(f"{target} exists already.", "name a new folder: an export never overwrites.")
        shutil.rmtree(writing, ignore_errors=True)
        writing.mkdir(parents=True)
        yield writing
        writing.rename(target)
    except OSError as error:
        raise ConfigError(
            f"{target} cannot be written ({error.strerror}).",
            "name a folder that you may write to.",
        ) from None
    finally:
        shutil.rmtree(writing, ignore_errors=True)
        os.umask(before)
