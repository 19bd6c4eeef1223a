"""Where the bodies lie that views read: the raw segments of the versions that belong into the flat tables.

A segment of which every version is listed (on a first night all of them) is read without looking for each:
that join costs as much as parsing the bodies, and it would hold them all in memory.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from warehouse.connection import Row, Transaction
from warehouse.names import with_names

_RESOURCE = """
WITH resource AS (
    SELECT
        stored.center_id,
        center.base_url,
        stored.resource_type,
        stored.resource_id,
        stored.run_id,
        stored.content_hash,
        stored.body,
    FROM ({stored}) AS stored
    INNER JOIN (SELECT unnest($centers) AS center_id, unnest($base_urls) AS base_url) AS center
        ON stored.center_id = center.center_id
)
"""
_WHOLE = "SELECT * FROM read_parquet($whole, hive_partitioning = FALSE)"
_LISTED = """
SELECT stored.* EXCLUDE (filename)
FROM read_parquet($files, hive_partitioning = FALSE, filename = TRUE) AS stored
INNER JOIN {heads} AS head
    ON stored.center_id = head.center_id
    AND stored.resource_type = head.resource_type
    AND stored.resource_id = head.resource_id
    AND stored.filename = concat($folder, '/', head.path)
"""
_LISTED_IN = """
SELECT segment.path, held.listed, segment.versions = held.listed AS is_whole FROM ops.segment AS segment
INNER JOIN (
    SELECT path, count(*) AS listed FROM {heads}
    SEMI JOIN (SELECT unnest(?) AS path) AS wanted USING (path) GROUP BY path
) AS held USING (path)
"""
RELATION = (_RESOURCE, _WHOLE, _LISTED)


@dataclass(frozen=True, slots=True)
class Stored:
    """The relation `resource` as a WITH clause (none when nothing is listed), its values and versions."""

    relation: str
    values: Mapping[str, object]
    versions: int


def stored_in(
    transaction: Transaction, folder: Path, heads: str, paths: Sequence[str], base_urls: Mapping[str, str]
) -> Stored:
    """The versions that `heads` lists in the segments `paths` of these centers, each with its base URL."""
    rows = _listed_in(transaction, heads, paths)
    whole = {row["path"] for row in rows if row["is_whole"]}
    values: dict[str, object] = {"centers": list(base_urls), "base_urls": list(base_urls.values())}
    parts = []
    if files := [f"{folder}/{path}" for path in paths if path in whole]:
        parts.append(_WHOLE)
        values["whole"] = files
    if files := [f"{folder}/{path}" for path in paths if path not in whole]:
        parts.append(with_names(_LISTED, heads=heads))
        values |= {"files": files, "folder": str(folder)}
    relation = _RESOURCE.format(stored=" UNION ALL ".join(parts)) if parts else ""
    return Stored(relation, values, sum(row["listed"] for row in rows))


def whole_segments(transaction: Transaction, heads: str, paths: Sequence[str]) -> set[str]:
    """Those of the segments `paths` of which `heads` lists every version."""
    return {row["path"] for row in _listed_in(transaction, heads, paths) if row["is_whole"]}


def _listed_in(transaction: Transaction, heads: str, paths: Sequence[str]) -> list[Row]:
    return transaction.rows(with_names(_LISTED_IN, heads=heads), [list(paths)]) if paths else []
