"""Rows as a Parquet file in memory, for what is written outside the warehouse."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

_TYPES = {float: pa.float64(), int: pa.int64(), str: pa.string()}


def parquet_bytes(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """The rows (all with the same columns: texts, whole numbers, numbers, NULLs) as one Parquet file."""
    names = list(rows[0]) if rows else []
    schema = pa.schema([(name, _type(row[name] for row in rows)) for name in names])
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows], schema=schema), file, compression="zstd")
    return file.getvalue()


def _type(values: Any) -> pa.DataType:
    """The type of a column: that of its values; text where all are NULL."""
    kinds = {type(value) for value in values if value is not None}
    return _TYPES[float] if float in kinds else _TYPES[next(iter(kinds), str)]
