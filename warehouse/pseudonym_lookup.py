"""The pseudonyms of one release: a temporary table that its tables are joined with while they are written."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from warehouse.names import literal, with_names
from warehouse.pseudonym import RESOURCE_KEY, PublishedColumn, pseudonyms
from warehouse.release_plan import PublishedTable

_KEY_COLUMNS = ("center_id", "kind", "key")
_SCHEMA = pa.schema([(name, pa.string()) for name in (*_KEY_COLUMNS, "pseudonym")])
# Keys by the batch: as Python texts, all of them would take some hundred bytes each.
_BATCH = 100_000
_KEYS = """
SELECT source.center_id, {kind} AS kind, source.{{key}}::VARCHAR AS key
FROM {{table}} AS source WHERE source.{{key}} IS NOT NULL
"""


@contextmanager
def pseudonym_lookup(
    connection: duckdb.DuckDBPyConnection,
    tables: Sequence[PublishedTable],
    *,
    project: str,
    keys: Mapping[str, bytes],
) -> Iterator[None]:
    """Offer `pseudonym` (center_id, kind, key, pseudonym), a row for every key in use, while the block runs.

    Raises ConfigError for a center without a pseudonymization key.
    """
    batches = [_with_pseudonyms(batch, project, keys) for batch in _keys_in_use(connection, tables)]
    connection.register("made_pseudonym", pa.Table.from_batches(batches, _SCHEMA))
    connection.execute("CREATE OR REPLACE TEMP TABLE pseudonym AS FROM made_pseudonym")
    connection.unregister("made_pseudonym")
    try:
        yield
    finally:
        connection.execute("DROP TABLE pseudonym")


def pseudonym_join(column: PublishedColumn, alias: str) -> str:
    """The join that gives a column of `source` its pseudonym as `<alias>.pseudonym`."""
    join = with_names(
        "LEFT JOIN pseudonym AS {alias} ON source.center_id = {alias}.center_id "
        "AND source.{key}::VARCHAR = {alias}.key AND {alias}.kind = ",
        alias=alias,
        key=column.source,
    )
    return join + _kind(column)


def _keys_in_use(
    connection: duckdb.DuckDBPyConnection, tables: Sequence[PublishedTable]
) -> Iterator[pa.RecordBatch]:
    """Every key of every table once, as rows of center_id, kind and key."""
    selects = [
        with_names(_KEYS.format(kind=_kind(column)), key=column.source, table=table.name)
        for table in tables
        for column in table.columns
        if column.treatment == "pseudonym"
    ]
    if selects:
        query = f"SELECT DISTINCT * FROM ({' UNION ALL '.join(selects)})"  # noqa: S608
        yield from connection.sql(query).to_arrow_table().to_batches(max_chunksize=_BATCH)


def _with_pseudonyms(batch: pa.RecordBatch, project: str, keys: Mapping[str, bytes]) -> pa.RecordBatch:
    columns = [batch.column(name).to_pylist() for name in _KEY_COLUMNS]
    made = pseudonyms(zip(*columns, strict=True), project=project, keys=keys)
    return pa.RecordBatch.from_arrays([*batch.columns, pa.array(made, pa.string())], schema=_SCHEMA)


def _kind(column: PublishedColumn) -> str:
    return "lower(source.resource_type)" if column.source == RESOURCE_KEY else literal(column.kind)
