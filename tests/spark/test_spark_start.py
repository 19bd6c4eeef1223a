"""Sessions in a process of their own: a master that is none, and a session after it."""

import subprocess
import sys
from pathlib import Path

import pytest

from mappings.errors import WarehouseError
from warehouse.connection import Warehouse
from warehouse.engines.session import SparkPlace, scratch_folder
from warehouse.engines.spark import spark_engine

pytestmark = pytest.mark.spark

PROGRAM = """
import subprocess
import sys
from pathlib import Path
from mappings.errors import ConfigError, WarehouseError
from warehouse.engines.session import SparkPlace, spark_errors, spark_session

scratch = Path(sys.argv[1])
subprocess.DEVNULL = None  # Java's own output is thrown away; here it is looked at
try:
    with spark_session(scratch / "bad", SparkPlace("nonsense://x", "1GB")):
        print("started")
except ConfigError as told:
    print(told.message, "|", told.next_step)
with spark_session(scratch / "good", SparkPlace("local[1]", "1GB")) as session:
    print(session.sql("SELECT 41 + 1 AS x").collect()[0].x)
    try:
        with spark_errors():
            session.sql("SELECT CAST(concat('Erika Mustermann ', id) AS INT) FROM range(3)").collect()
    except WarehouseError as told:
        print(told.message)
"""


def test_a_bad_master_is_told_and_the_next_session_logs_no_value(has_spark: None, tmp_path: Path) -> None:
    for name in ("bad", "good"):
        (tmp_path / name).mkdir()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    told, answer, failed = done.stdout.splitlines()
    assert "Spark could not be started on nonsense://x" in told
    assert "--master" in told
    assert answer == "42"
    assert "CAST_INVALID_INPUT" in failed
    assert "Mustermann" not in done.stdout + done.stderr


def test_a_folder_whose_place_is_taken_is_an_error_with_a_next_step(has_spark: None, tmp_path: Path) -> None:
    scratch_folder(tmp_path / "data").parent.mkdir()
    scratch_folder(tmp_path / "data").write_text("in the way")
    with (
        Warehouse.open(tmp_path / "data") as warehouse,
        warehouse.transaction() as transaction,
        pytest.raises(WarehouseError, match="could not be made: File exists"),
        spark_engine(transaction, tmp_path / "data", SparkPlace("local[1]", "1GB"), []),
    ):
        pass
