"""Flat tables on Spark: the views evaluated over the raw segments, where these lie.

What DuckDB's flat tables hold (`ops.flat_head`) is what is read here, so both have the same rows; the
versions that a view refuses are in neither.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse.connection import Transaction
from warehouse.engines.views import spark_view
from warehouse.flat_ledger import HELD, paths_of
from warehouse.flat_plan import BuildCenter, FlatPart, FlatTable, flat_tables
from warehouse.flat_source import whole_segments

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Held = Callable[[], "DataFrame"]
# A segment's path within the warehouse's folder: raw, center, type, run, number.
_LEVELS = 5
_VERSION = ("center_id", "resource_type", "resource_id", "path")


class RawTables:
    """The flat tables that views fill, as frames over the raw segments of the warehouse in `folder`."""

    def __init__(
        self, session: "SparkSession", transaction: Transaction, folder: Path, parts: Sequence[FlatPart]
    ) -> None:
        self._session = session
        self._transaction = transaction
        self._folder = folder
        self._tables: Mapping[str, FlatTable] = {f"flat.{table.name}": table for table in flat_tables(parts)}

    def __contains__(self, table: str) -> bool:
        return table in self._tables

    def frame(self, table: str, held: Held) -> "DataFrame | None":
        """The rows of a flat table, None when no resource of its type is there; `held`: `ops.flat_head`."""
        frames = [self._rows(part, held) for part in self._tables[table].parts]
        found = [frame for frame in frames if frame is not None]
        return reduce(lambda first, more: first.union(more), found) if found else None

    def _rows(self, part: FlatPart, held: Held) -> "DataFrame | None":
        stored = self._stored(part, held)
        if stored is None:
            return None
        stored.createOrReplaceTempView("resource")
        return self._session.sql(spark_view(part.view).rows)

    def _stored(self, part: FlatPart, held: Held) -> "DataFrame | None":
        """The current versions of the part's resource type at its centers, with their base URLs."""
        paths = paths_of(self._transaction, HELD, part.view.resource, part.center_ids)
        whole = whole_segments(self._transaction, HELD, paths)
        frames = [self._read([path for path in paths if path in whole])] if whole else []
        if partly := [path for path in paths if path not in whole]:
            frames.append(self._read(partly).join(held(), list(_VERSION), "left_semi"))
        if not frames:
            return None
        # By name: the join has put its columns first.
        stored = reduce(lambda first, more: first.unionByName(more), frames)
        return _with_base_urls(stored, part.centers)

    def _read(self, paths: Sequence[str]) -> "DataFrame":
        """All versions of these segments, each with the path of its own."""
        files = self._session.read.parquet(*(f"{self._folder}/{path}" for path in paths))
        path = f"concat_ws('/', slice(split(_metadata.file_path, '/'), -{_LEVELS}, {_LEVELS})) AS path"
        return files.selectExpr("center_id", "resource_type", "resource_id", "run_id", "body", path)


def _with_base_urls(stored: "DataFrame", centers: Sequence[BuildCenter]) -> "DataFrame":
    from pyspark.sql import functions  # noqa: PLC0415 -- an extra

    urls = [functions.lit(text) for center in centers for text in (center.center_id, center.base_url)]
    by_center = functions.create_map(*urls)
    mine = stored.where(functions.col("center_id").isin([center.center_id for center in centers]))
    return mine.withColumn("base_url", by_center[functions.col("center_id")])
