"""One way from NDJSON files to tables that an analyst can query, in a process of its own.

    python -m benchmarks.end_to_end_ways WAY SOURCE OUT

Reads SOURCE/{Patient,Procedure,Condition,Observation}.ndjson, or the server whose base URL SOURCE is, by the
ways of benchmarks/end_to_end_pages.py. Leaves the four tables of `TABLES` in OUT/made.duckdb (or as Parquet,
or the warehouse from which benchmarks/end_to_end.py takes them). Prints one JSON line: wall and CPU seconds
of the work, imports excluded where they can be, and the steps of our own way.
Imports only what its way needs: peers run in environments of their own.
"""

import argparse
import importlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.end_to_end_pages import PAGE_WAYS
from benchmarks.end_to_end_views import COLUMNS, PATHS, READ_AS, ROWS, SELECTS, TABLES

ROOT = Path(__file__).parents[1]
BATCH = 20_000

Steps = dict[str, float]


def opened(out: Path) -> Any:
    import duckdb

    connection = duckdb.connect(str(out / "made.duckdb"))
    connection.execute("SET threads = 2")
    return connection


def floor(source: str, out: Path) -> Steps:
    """What somebody who knows DuckDB writes by hand: the JSON reader with the columns, one projection."""
    with opened(out) as connection:
        for table in TABLES:
            columns = ", ".join(f"\"{name}\": '{kind}'" for name, kind in READ_AS[table].items())
            reader = f"read_ndjson('{source}/{table}.ndjson', columns = {{{columns}}})"
            connection.execute(f"CREATE TABLE {table.lower()} AS SELECT {SELECTS[table]} FROM {reader}")
    return {}


def ours(source: str, out: Path) -> Steps:
    """A sync from the folder, then the flat and the core tables: everything a first night does up to them."""
    from benchmarks.end_to_end_ours import night
    from ingest.gate_pool import GatePool

    with GatePool(os.cpu_count() or 1) as gate:
        return night(_center(source), out, gate)


def ours_without_gate(source: str, out: Path) -> Steps:
    """The same with a gate that says yes; it lets everything pass in place, in this process."""
    import ingest.accept
    from benchmarks.end_to_end_ours import night
    from ingest.gate_pool import GatePool

    ingest.accept.judge = lambda *_: []  # type: ignore[assignment]
    ingest.accept.is_surely_valid = lambda *_: True  # type: ignore[assignment]
    with GatePool(1, in_place=sys.maxsize, read_in_place=sys.maxsize) as gate:
        return night(_center(source), out, gate)


def _center(source: str) -> Any:
    from ingest.center import Center
    from ingest.source import ByFolder

    return Center("a", "A", "http://127.0.0.1:9/fhir", "R4", source=ByFolder(Path(source)))


def orjson_arrow(source: str, out: Path) -> Steps:
    """A loop over orjson and the plain dicts, loaded by Arrow."""
    import orjson

    return _by_rows(source, out, orjson.loads)


def fhir_resources(source: str, out: Path) -> Steps:
    """orjson, every resource judged by its fhir.resources model, rows from the dict, loaded by Arrow."""
    import orjson
    from fhir.resources.R4B import get_fhir_model_class

    models = {table: get_fhir_model_class(table) for table in TABLES}

    def judged(line: bytes) -> Any:
        found = orjson.loads(line)
        models[found["resourceType"]].model_validate(found)
        return found

    return _by_rows(source, out, judged)


def _by_rows(source: str, out: Path, decode: Callable[[bytes], Any]) -> Steps:
    import pyarrow as pa

    with opened(out) as connection:
        for table in TABLES:
            kinds = {"value": pa.float64()}
            schema = pa.schema([(name, kinds.get(name, pa.string())) for name in COLUMNS[table]])
            declared = ", ".join(f"{name} {'DOUBLE' if name == 'value' else 'TEXT'}" for name in schema.names)
            connection.execute(f"CREATE TABLE {table.lower()} ({declared})")
            for rows in _batches(
                Path(source, f"{table}.ndjson"), lambda line, table=table: ROWS[table](decode(line))
            ):
                arrays = [
                    pa.array(values, each.type)
                    for values, each in zip(zip(*rows, strict=True), schema, strict=True)
                ]
                connection.register("batch", pa.Table.from_arrays(arrays, schema=schema))
                connection.execute(f"INSERT INTO {table.lower()} SELECT * FROM batch")
                connection.unregister("batch")
    return {}


def _batches(file: Path, row: Callable[[bytes], Any]) -> Iterator[list[Any]]:
    with file.open("rb") as lines:
        while rows := [row(line) for line in islice(lines, BATCH)]:
            yield rows


def fhir_pyrate(source: str, out: Path) -> Steps:
    """Bundles of 200 through `bundles_to_dataframe` with a function written by hand."""
    import logging

    import requests
    from fhir_pyrate import Pirate

    logging.disable(logging.CRITICAL)
    pirate = Pirate(auth=requests.Session(), base_url="http://127.0.0.1:9/fhir", num_processes=1)
    with opened(out) as connection:
        for table in TABLES:

            def rows(bundle: Any, table: str = table) -> Mapping[str, list[Any]]:
                found = [ROWS[table](each.resource.to_dict()) for each in bundle.entry]
                return {table: [dict(zip(COLUMNS[table], row, strict=True)) for row in found]}

            frame = pirate.bundles_to_dataframe(
                _bundles(Path(source, f"{table}.ndjson")), process_function=rows
            )
            connection.register("frame", frame[table] if isinstance(frame, dict) else frame)
            connection.execute(f"CREATE TABLE {table.lower()} AS SELECT * FROM frame")
    return {}


def _bundles(file: Path) -> list[Any]:
    from fhir_pyrate.util import FHIRObj

    with file.open("rb") as lines:
        read = iter(lambda: [{"resource": json.loads(line)} for line in islice(lines, 200)], [])
        return [FHIRObj(resourceType="Bundle", entry=entries) for entries in read]


def fhir4ds(source: str, out: Path) -> Steps:
    """fhir4ds-v2: its loader, then a ViewDefinition for each table over its FHIRPath extension."""
    import fhir4ds as peer

    connection = peer.create_connection(str(out / "made.duckdb"))
    connection.execute("SET threads = 2")
    loader = peer.FHIRDataLoader(connection)
    for table in TABLES:
        loader.load_ndjson(f"{source}/{table}.ndjson")
    for table in TABLES:
        columns = [{"name": name, "path": path} for name, path in PATHS[table].items()]
        view = {"resource": table, "status": "active", "select": [{"column": columns}]}
        chosen = ", ".join(
            f"CAST({name} AS DOUBLE) AS value" if name == "value"
            else f"replace(CAST({name} AS TEXT), 'Patient/', '') AS {name}"
            for name in COLUMNS[table]
        )  # fmt: skip
        made = peer.generate_view_sql(json.dumps(view))
        connection.execute(f"CREATE TABLE {table.lower()} AS SELECT {chosen} FROM ({made})")
    connection.close()
    return {}


def cumulus_etl(source: str, out: Path) -> Steps:
    """cumulus-etl to its de-identified NDJSON, then the floor's projection over that."""
    command = [str(Path(sys.executable).parent / "cumulus-etl"), "etl", source, str(out / "etl")]
    command += [
        str(out / "phi"),
        "--output-format",
        "ndjson",
        "--task",
        "patient,procedure,condition,observation",
    ]
    command += ["--export-group", "g", "--export-timestamp", "2026-11-01", "--allow-missing-resources"]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr.decode()[-500:] or done.stdout.decode()[-500:])
    return {}


def spark(source: str, out: Path) -> Steps:
    """Spark on two local cores: its JSON reader with a schema, one projection, Parquet."""
    from pyspark.sql import SparkSession

    settings = {"spark.driver.memory": "4g", "spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1"}
    builder = SparkSession.builder.master("local[2]").config(map=settings)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    for table in TABLES:
        schema = ", ".join(f"`{name}` {_in_spark(kind)}" for name, kind in READ_AS[table].items())
        frame = session.read.schema(schema).json(f"{source}/{table}.ndjson")
        chosen = SELECTS[table].replace('"', "`").replace("[1]", "[0]").replace("TEXT", "STRING")
        frame.createOrReplaceTempView("read")
        session.sql(f"SELECT {chosen} FROM read").write.parquet(str(out / f"{table.lower()}.parquet"))
    session.stop()
    return {}


def _in_spark(kind: str) -> str:
    if kind.endswith("[]"):
        return f"ARRAY<{_in_spark(kind[:-2])}>"
    if not kind.startswith("STRUCT("):
        return {"TEXT": "STRING"}.get(kind, kind)
    depth, parts, start = 0, [], 7
    for place, letter in enumerate(kind[7:-1], 7):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append(kind[start:place])
            start = place + 1
    fields = (part.strip().split(" ", 1) for part in [*parts, kind[start:-1]])
    return f"STRUCT<{', '.join(f'{name}: {_in_spark(its)}' for name, its in fields)}>"


_ALL = (
    floor,
    ours,
    ours_without_gate,
    orjson_arrow,
    fhir_resources,
    fhir_pyrate,
    fhir4ds,
    cumulus_etl,
    spark,
)
WAYS: dict[str, Callable[[str, Path], Steps]] = {each.__name__: each for each in _ALL}


# DuckDB imports pandas, where it is installed, when it is first given a table of Arrow.
OURS_IMPORTS = ("benchmarks.end_to_end_ours", "duckdb", "pandas")
# What each way in this process imports; the others start processes of their own, or import while they work.
IMPORTED: Mapping[str, tuple[str, ...]] = {
    "floor": ("duckdb",),
    "ours": OURS_IMPORTS,
    "ours_without_gate": OURS_IMPORTS,
    "orjson_arrow": ("duckdb", "orjson", "pandas", "pyarrow"),
    "fhir_resources": ("duckdb", "orjson", "pandas", "pyarrow", "fhir.resources.R4B"),
    "fhir_pyrate": ("duckdb", "fhir_pyrate", "fhir_pyrate.util", "pandas"),
    "fhir4ds": ("fhir4ds",),
    "spark": ("pyspark.sql",),
    "paging": ("requests",),
    "floor_pages": ("duckdb", "orjson", "requests"),
    "ours_pages": OURS_IMPORTS,
    "unchanged_pages": OURS_IMPORTS,
    "resent_pages": (*OURS_IMPORTS, "requests"),
    "fhir_pyrate_pages": ("duckdb", "fhir_pyrate", "pandas"),
}


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("way", choices=WAYS | PAGE_WAYS)
    parser.add_argument("source", help="the folder, or the base URL")
    parser.add_argument("out", type=Path)
    told = parser.parse_args()
    for name in IMPORTED.get(told.way, ()):
        importlib.import_module(name)
    before, started = _cpu(), time.perf_counter()
    steps = (WAYS | PAGE_WAYS)[told.way](told.source, told.out)
    seconds, cpu = time.perf_counter() - started, _cpu() - before
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "cpu": cpu, "peak_mb": peak_mb, "steps": steps}))


if __name__ == "__main__":
    main()
