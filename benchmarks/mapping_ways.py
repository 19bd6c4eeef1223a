"""One way from NDJSON to the rows of a view, in a process of its own: `mapping_ways.py WAY NDJSON VIEW`.

Prints one JSON line: resources, rows, wall and CPU seconds of the work (imports excluded), the peak memory of
the whole process, the version of what did the work, and a digest of the rows where they end in DuckDB. It
imports only what its way needs, so that it runs under the interpreter of a peer's environment.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

CENTER, BASE_URL = "a", "https://fhir.example.org"
BATCH = 20_000
BODIES = "SELECT json AS body FROM read_ndjson_objects($file, maximum_object_size = 1048576)"
COLUMNS = (
    "observation_key", "patient_key", "status", "code", "effective_text",
    "issued_text", "value_quantity", "value_unit", "value_unit_code", "value_integer",
)  # fmt: skip

# The floor, twice: what somebody who knows DuckDB writes by hand for these ten columns.
BY_PATHS = f"""
SELECT
    'a/' || found[1] AS observation_key,
    'a/' || regexp_extract(found[2], '^Patient/(.+)$', 1) AS patient_key,
    found[3] AS status,
    found[4] AS code,
    found[5] AS effective_text,
    found[6] AS issued_text,
    CAST(found[7] AS DOUBLE) AS value_quantity,
    found[8] AS value_unit,
    found[9] AS value_unit_code,
    CAST(found[10] AS INTEGER) AS value_integer
FROM (
    SELECT json_extract_string(body, [
        '$.id', '$.subject.reference', '$.status', '$.code.coding[0].code', '$.effectiveDateTime',
        '$.issued', '$.valueQuantity.value', '$.valueQuantity.unit', '$.valueQuantity.code', '$.valueInteger'
    ]) AS found
    FROM ({BODIES})
)
"""
BY_COLUMNS = """
SELECT
    'a/' || id AS observation_key,
    'a/' || regexp_extract(subject.reference, '^Patient/(.+)$', 1) AS patient_key,
    status,
    code.coding[1].code AS code,
    "effectiveDateTime" AS effective_text,
    issued AS issued_text,
    "valueQuantity"."value" AS value_quantity,
    "valueQuantity".unit AS value_unit,
    "valueQuantity".code AS value_unit_code,
    "valueInteger" AS value_integer
FROM read_ndjson($file, maximum_object_size = 1048576, columns = {
    id: 'VARCHAR', subject: 'STRUCT(reference VARCHAR)', status: 'VARCHAR',
    code: 'STRUCT(coding STRUCT(code VARCHAR)[])', "effectiveDateTime": 'VARCHAR', issued: 'VARCHAR',
    "valueQuantity": 'STRUCT("value" DOUBLE, unit VARCHAR, code VARCHAR)', "valueInteger": 'INTEGER'
})
"""

Made = tuple[int, int, str, dict[str, Any]]


def compiled(file: Path, view: dict[str, Any]) -> Made:
    """Our compiler's SELECT over the same lines of text; compiling is part of the time."""
    from mappings.compiler import compile_view
    from mappings.viewdef import parse_view

    source = (
        f"(SELECT '{CENTER}' AS center_id, '{BASE_URL}' AS base_url, 'Observation' AS resource_type, "
        f"json_extract_string(body, '$.id') AS resource_id, body FROM ({BODIES}))"
    )
    sql = compile_view(parse_view(view), fhir_version="R4", source=source).sql
    return _in_duckdb(file, sql)


def by_paths(file: Path, _: dict[str, Any]) -> Made:
    """Hand-written SQL: one `json_extract_string` with a list of paths."""
    return _in_duckdb(file, BY_PATHS)


def by_columns(file: Path, _: dict[str, Any]) -> Made:
    """Hand-written SQL: the JSON reader with the columns written out."""
    return _in_duckdb(file, BY_COLUMNS)


def _in_duckdb(file: Path, sql: str) -> Made:
    import duckdb

    with tempfile.TemporaryDirectory() as folder, _database(folder) as connection:
        connection.execute(f"CREATE TABLE made AS {sql}", {"file": str(file)})
        return _told(connection, "duckdb", duckdb.__version__)


def _database(folder: str) -> Any:
    import duckdb

    connection = duckdb.connect(f"{folder}/made.duckdb", config={"threads": 1})
    connection.execute("SET preserve_insertion_order = FALSE")
    return connection


def _told(connection: Any, package: str, its_version: str) -> Made:
    columns = ", ".join(COLUMNS)
    [count, digest] = connection.execute(
        f"SELECT count(*), bit_xor(hash({columns}))::VARCHAR FROM made"
    ).fetchone()
    return count, count, f"{package} {its_version}", {"digest": digest}


def orjson_loop(file: Path, _: dict[str, Any]) -> Made:
    """A plain Python loop over orjson, its rows loaded into DuckDB by Arrow."""
    import orjson
    import pyarrow as pa

    types = {"value_quantity": pa.float64(), "value_integer": pa.int32()}
    schema = pa.schema([(name, types.get(name, pa.string())) for name in COLUMNS])
    sql_types = {"value_quantity": "DOUBLE", "value_integer": "INTEGER"}
    declared = ", ".join(f"{name} {sql_types.get(name, 'VARCHAR')}" for name in COLUMNS)
    with tempfile.TemporaryDirectory() as folder, _database(folder) as connection:
        connection.execute(f"CREATE TABLE made ({declared})")
        with file.open("rb") as lines:
            while rows := [_row(orjson.loads(line)) for line in islice(lines, BATCH)]:
                arrays = [
                    pa.array(values, field.type)
                    for values, field in zip(zip(*rows, strict=True), schema, strict=True)
                ]
                connection.register("batch", pa.Table.from_arrays(arrays, schema=schema))
                connection.execute("INSERT INTO made SELECT * FROM batch")
                connection.unregister("batch")
        return _told(connection, "orjson", orjson.__version__)


def _row(body: dict[str, Any]) -> tuple[object, ...]:
    quantity = body.get("valueQuantity", {})
    value = quantity.get("value")
    return (
        f"a/{body['id']}",
        f"a/{body['subject']['reference'].removeprefix('Patient/')}",
        body["status"],
        body["code"]["coding"][0]["code"],
        body.get("effectiveDateTime"),
        body.get("issued"),
        None if value is None else float(value),
        quantity.get("unit"),
        quantity.get("code"),
        body.get("valueInteger"),
    )


def sqlonfhir(file: Path, view: dict[str, Any]) -> Made:
    """The runner of SAS: a list of resources in, rows out."""
    from sqlonfhir import evaluate

    resources = list(_resources(file))
    rows = evaluate(resources, view)
    return len(resources), len(rows), f"sqlonfhir {version('sqlonfhir')}", {}


def pysof(file: Path, view: dict[str, Any]) -> Made:
    """The runner of Helios, in Rust: a Bundle in, JSON text out."""
    from pysof import run_view_definition

    resources = list(_resources(file))
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": resource} for resource in resources],
    }
    made = run_view_definition(view, bundle, "json")
    return len(resources), len(json.loads(made)), f"pysof {version('pysof')}", {}


def fhir_pyrate(file: Path, view: dict[str, Any]) -> Made:
    """FHIR-PYrate knows no ViewDefinition: the same elements by its FHIRPaths, Bundles to a DataFrame."""
    from fhir_pyrate import Pirate
    from fhir_pyrate.util.fhirobj import FHIRObj

    paths = [
        ("observation_key", "id"), ("patient_key", "subject.reference"), ("status", "status"),
        ("code", "code.coding[0].code"), ("effective_text", "effectiveDateTime"), ("issued_text", "issued"),
        ("value_quantity", "valueQuantity.value"), ("value_unit", "valueQuantity.unit"),
        ("value_unit_code", "valueQuantity.code"), ("value_integer", "valueInteger"),
    ]  # fmt: skip
    pirate = Pirate(BASE_URL, auth=None, disable_multiprocessing_build=True, silence_fhirpath_warning=True)
    resources = list(_resources(file))
    bundle = FHIRObj(resourceType="Bundle", entry=[{"resource": resource} for resource in resources])
    frame = pirate.bundles_to_dataframe([bundle], fhir_paths=paths)
    return len(resources), len(frame), f"fhir-pyrate {version('fhir-pyrate')}", {}


def _resources(file: Path) -> Iterator[dict[str, Any]]:
    with file.open("rb") as lines:
        for line in lines:
            yield json.loads(line)


WAYS: dict[str, Callable[[Path, dict[str, Any]], Made]] = {
    "compiled": compiled,
    "by_paths": by_paths,
    "by_columns": by_columns,
    "orjson_loop": orjson_loop,
    "sqlonfhir": sqlonfhir,
    "pysof": pysof,
    "fhir_pyrate": fhir_pyrate,
}
# What each way imports: loaded before the clock starts, for all alike.
PACKAGES = {
    "compiled": ("duckdb", "mappings.compiler", "mappings.viewdef", "fhir.resources.R4B.observation"),
    "by_paths": ("duckdb",),
    "by_columns": ("duckdb",),
    "orjson_loop": ("duckdb", "orjson", "pyarrow"),
    "sqlonfhir": ("sqlonfhir",),
    "pysof": ("pysof._pysof",),  # the package alone imports without its compiled part
    "fhir_pyrate": ("fhir_pyrate",),
}


def main() -> int:
    """Run one way; exit 3 when a package it needs is not installed."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("way", choices=WAYS)
    arguments.add_argument("ndjson", type=Path)
    arguments.add_argument("view", type=Path)
    chosen = arguments.parse_args()
    try:
        for package in PACKAGES[chosen.way]:
            __import__(package)
    except ImportError as error:
        print(str(error).splitlines()[0], file=sys.stderr)
        return 3
    view = json.loads(chosen.view.read_text(encoding="utf-8"))
    wall, cpu = time.perf_counter(), time.process_time()
    resources, rows, did, more = WAYS[chosen.way](chosen.ndjson, view)
    told = {
        "resources": resources,
        "rows": rows,
        "wall_seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - cpu,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "version": did,
    }
    print(json.dumps(told | more))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
