"""A study refreshed by DuckDB, then by Spark through the command line: what differs between the two runs."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from outcomes.refresh import read_cohorts
from tests.end_to_end.conftest import Study
from warehouse.build import BuildSources
from warehouse.connection import Warehouse
from warehouse.tables import read_table_files

ROOT = Path(__file__).parents[2]
CORE = read_table_files([path for path in BuildSources().core.iterdir() if path.name.endswith(".sql")])
TABLES = [file.header.table for file in (*CORE, *read_cohorts())]
TOLERANCE = 1e-9
# A minute of Spark is mostly its own compiling; few rows are done sooner when it interprets.
QUICK_START = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
INTERPRETED = {"spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN"}
_FIGURES = """
SELECT count(*) AS figures, count(*) FILTER (
    duck.n IS DISTINCT FROM spark.n OR duck.numerator IS DISTINCT FROM spark.numerator
    OR duck.denominator IS DISTINCT FROM spark.denominator OR duck.version IS DISTINCT FROM spark.version
    OR duck.method IS DISTINCT FROM spark.method OR duck.note IS DISTINCT FROM spark.note
    OR duck.rules IS DISTINCT FROM spark.rules OR duck.run_id IS NULL OR spark.run_id IS NULL
    OR NOT ({values})
) AS differing
FROM (FROM outcomes.metric_result WHERE run_id = ?) AS duck
FULL OUTER JOIN (FROM outcomes.metric_result WHERE run_id = ?) AS spark USING (metric, "group", statistic)
"""
_NEAR = """
(duck.{0} IS NOT DISTINCT FROM spark.{0} OR abs(duck.{0} - spark.{0}) <= {1} * greatest(1, abs(duck.{0})))
"""


def refresh_on_spark(
    study: Study, folder: Path, settings: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """The command as a user types it, in an empty folder and with a place of its own for temporary files.

    `settings` are those that the user has in spark-defaults.conf.
    """
    for place in (folder / "cwd", folder / "tmp"):
        place.mkdir(parents=True)
    defaults = folder / "conf" / "spark-defaults.conf"
    defaults.parent.mkdir()
    defaults.write_text("".join(f"{name} {value}\n" for name, value in settings.items()), encoding="utf-8")
    command = [sys.executable, "-m", "service", "refresh", "--engine", "spark", "--master", "local[2]"]
    return subprocess.run(
        [*command, "--config", str(study.config)],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        cwd=folder / "cwd",
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(folder / "tmp"),
            "SPARK_CONF_DIR": str(defaults.parent),
            "JDK_JAVA_OPTIONS": QUICK_START,
        },
    )


def contents(warehouse: Warehouse) -> dict[str, Any]:
    """Columns with types, number of rows, and a fingerprint without order of every core table and cohort."""
    found = {}
    for table in TABLES:
        (row,) = warehouse.rows(f"SELECT count(*) AS n, sum(hash(made)) AS hashes FROM {table} AS made")  # noqa: S608
        columns = [(c["column_name"], c["column_type"]) for c in warehouse.rows(f"DESCRIBE {table}")]
        found[table] = (columns, row["n"], row["hashes"])
    return found


def figures(warehouse: Warehouse, duck: int, spark: int) -> tuple[int, int]:
    """How many figures the two runs have, and how many of them are not the same."""
    values = " AND ".join(_NEAR.format(name, TOLERANCE) for name in ("value", "ci_low", "ci_high"))
    (row,) = warehouse.rows(_FIGURES.format(values=values), [duck, spark])
    return row["figures"], row["differing"]


def made_by_spark(warehouse: Warehouse) -> set[str]:
    """The tables that stand as Spark made them."""
    rows = warehouse.rows("SELECT table_name FROM ops.built_from WHERE source = 'Spark'")
    return {row["table_name"] for row in rows}
