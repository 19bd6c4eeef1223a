"""How fast are the views? The same generated Observations, three ways, side by side in one run.

    python benchmarks/mapping.py [--observations N] [--seed SEED] [--rounds K]

- floor: hand-written DuckDB SQL for the same columns, one `json_extract_string` with a list of paths;
- compiled: the shipped `observation` view through the compiler, as the nightly build runs it;
- python: a loop over `json.loads` that fills the same columns.

Prints CPU seconds (best of the rounds) and each way's speed relative to the floor: ratios, because machines
differ. All three must give the same rows, which is checked before anything is timed.
"""

import argparse
import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from mappings.compiler import compile_view
from mappings.viewdef import load_views

VIEWS = Path(__file__).parents[1] / "mappings" / "views"
FLOOR = """
WITH parsed AS (
    SELECT center_id, resource_id, json_extract_string(body, [
        '$.subject.reference', '$.status', '$.effectiveDateTime', '$.issued', '$.valueQuantity.value',
        '$.valueQuantity.unit', '$.valueQuantity.code', '$.valueInteger'
    ]) AS found
    FROM resource
    WHERE resource_type = 'Observation'
)
SELECT
    center_id || '/' || resource_id AS observation_key,
    center_id || '/' || substr(found[1], 9) AS patient_key,
    found[2] AS status,
    found[3] AS effective_text,
    found[4] AS issued_text,
    try_cast(found[5] AS DOUBLE) AS value_quantity,
    found[6] AS value_unit,
    found[7] AS value_unit_code,
    try_cast(found[8] AS INTEGER) AS value_integer
FROM parsed
"""
COLUMNS = (
    "observation_key", "patient_key", "status", "effective_text", "issued_text",
    "value_quantity", "value_unit", "value_unit_code", "value_integer",
)  # fmt: skip


def observations(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Pain scores as two kinds of server send them, with the padding real resources have."""
    rng = random.Random(seed)  # noqa: S311 -- a reproducible benchmark, no secret
    for number in range(count):
        observation: dict[str, Any] = {
            "resourceType": "Observation",
            "id": f"o{number}",
            "meta": {"versionId": "1", "lastUpdated": "2026-11-01T02:00:00.000Z"},
            "status": rng.choice(["final", "amended"]),
            "category": [{"coding": [{"system": "http://example.org/category", "code": "survey"}]}],
            "code": {
                "coding": [
                    {"system": "http://loinc.org", "code": "72514-3"},
                    {"system": "urn:x", "code": "P"},
                ]
            },
            "subject": {"reference": f"Patient/p{rng.randrange(1 + count // 10)}"},
            "effectiveDateTime": f"20{rng.randrange(10, 26)}-{rng.randrange(1, 13):02}-15T08:30:00+02:00",
            "issued": "2026-11-01T02:00:00.000Z",
        }
        score = rng.randrange(11)
        if number % 2:
            observation["valueInteger"] = score
        else:
            observation["valueQuantity"] = {"value": score, "unit": "score", "code": "{score}"}
        yield observation


def loaded(bodies: list[str]) -> duckdb.DuckDBPyConnection:
    """A connection on one thread with the bodies as the relation the views read."""
    connection = duckdb.connect(config={"threads": 1})
    rows = pa.table({"body": bodies})
    connection.register("bodies", rows)
    connection.execute(
        "CREATE TABLE resource AS SELECT 'a' AS center_id, 'https://fhir.example.org' AS base_url, "
        "'Observation' AS resource_type, json_extract_string(body, '$.id') AS resource_id, 1 AS run_id, body "
        "FROM bodies"
    )
    return connection


def python_rows(bodies: list[str]) -> list[tuple[object, ...]]:
    """The columns by a loop over parsed JSON."""
    return [python_row(json.loads(body)) for body in bodies]


def python_row(body: dict[str, Any]) -> tuple[object, ...]:
    """One resource's columns."""
    quantity = body.get("valueQuantity", {})
    value = quantity.get("value")
    return (
        f"a/{body['id']}",
        f"a/{body['subject']['reference'][8:]}",
        body["status"],
        body["effectiveDateTime"],
        body["issued"],
        None if value is None else float(value),
        quantity.get("unit"),
        quantity.get("code"),
        body.get("valueInteger"),
    )


def cpu_seconds(work: Callable[[], object], rounds: int) -> float:
    """The least CPU time of several rounds."""
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--observations", type=int, default=100_000)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--rounds", type=int, default=3)
    chosen = arguments.parse_args()
    bodies = [json.dumps(each) for each in observations(chosen.observations, chosen.seed)]
    connection = loaded(bodies)
    (named,) = [v for v in load_views(VIEWS) if v.table == "observation" and v.fhir_version == "R4"]
    compiled = f"SELECT {', '.join(COLUMNS)} FROM ({compile_view(named.view, fhir_version='R4').sql})"  # noqa: S608

    def run(sql: str) -> Callable[[], object]:
        return lambda: connection.execute(f"CREATE OR REPLACE TABLE out AS {sql}")

    rows = sorted(python_rows(bodies))
    for sql in (FLOOR, compiled):
        if sorted(connection.execute(sql).fetchall()) != rows:
            raise SystemExit("the ways do not give the same rows: nothing was measured")
    seconds = {
        "floor": cpu_seconds(run(FLOOR), chosen.rounds),
        "compiled": cpu_seconds(run(compiled), chosen.rounds),
        "python": cpu_seconds(lambda: python_rows(bodies), chosen.rounds),
    }
    print(
        f"{chosen.observations:,} Observations to {len(COLUMNS)} columns, one thread, best of {chosen.rounds}"
    )
    for way, spent in seconds.items():
        speed, ratio = chosen.observations / spent, seconds["floor"] / spent
        print(f"{way:>9}  {spent:7.2f} CPU s  {speed:>10,.0f} resources/s  {ratio:5.2f} x floor")


if __name__ == "__main__":
    main()
