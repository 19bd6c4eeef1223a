"""The demo refreshed on Spark by the command: the same tables, figures and release, and nothing left over."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from service.demo.server import demo_servers
from service.run import open_warehouse
from tests.end_to_end.conftest import Study, make_study, now
from tests.spark.both_engines import INTERPRETED, TABLES, contents, figures, made_by_spark, refresh_on_spark
from warehouse.manifest import read_manifest

pytestmark = pytest.mark.spark


@dataclass(frozen=True, slots=True)
class Both:
    """The demo after a refresh by DuckDB and one by Spark."""

    study: Study
    place: Path
    duck: dict[str, Any]
    ended: CompletedProcess[str]


@pytest.fixture(scope="module")
def both(has_spark: None, tmp_path_factory: pytest.TempPathFactory) -> Both:
    with demo_servers(now) as servers:
        study = make_study(tmp_path_factory.mktemp("spark-night"), servers)
        study.sync()
    study.refresh()
    with open_warehouse(study.settings) as warehouse:
        duck = contents(warehouse)
    place = tmp_path_factory.mktemp("spark-place")
    return Both(study, place, duck, refresh_on_spark(study, place, INTERPRETED))


def test_it_says_that_every_figure_was_made(both: Both) -> None:
    assert both.ended.returncode == 0, both.ended.stderr
    assert re.search(r"(?m)^run 3: \d+ core tables, \d{4,} figures$", both.ended.stdout)
    assert "Spark changed" in both.ended.stdout


def test_every_core_table_and_cohort_is_the_same(both: Both) -> None:
    with open_warehouse(both.study.settings) as warehouse:
        assert made_by_spark(warehouse) == set(TABLES)
        assert contents(warehouse) == both.duck


def test_every_figure_and_every_point_of_a_curve_is_the_same(both: Both) -> None:
    with open_warehouse(both.study.settings) as warehouse:
        found, differing = figures(warehouse, 2, 3)
    assert found > 1_000
    assert differing == 0


def test_no_row_that_a_metric_counted_has_moved(both: Both) -> None:
    rows = both.study.work("SELECT table_name, row_key FROM ops.row_history WHERE from_run = 3 OR to_run = 3")
    assert rows == []


def test_the_release_holds_the_same_rows(both: Both) -> None:
    releases = both.study.settings.warehouse_folder / "marts" / "releases"
    first, second = (read_manifest(releases / number)["content"] for number in ("1", "2"))
    core = {table for table in first if table.startswith("core.")}
    assert len(core) > 10
    assert {table: second[table] for table in core} == {table: first[table] for table in core}


def test_nothing_is_left_over(both: Both) -> None:
    folder = both.study.settings.warehouse_folder
    assert not (folder / "spark").exists()
    assert list((both.place / "cwd").iterdir()) == []
    assert list((both.place / "tmp").iterdir()) == []
    commands = [
        path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if os.access(path, os.R_OK)
    ]
    assert [command for command in commands if str(folder).encode() in command] == []


def test_it_tells_nothing_of_a_patient(both: Both) -> None:
    keys = {row["patient_key"] for row in both.study.work("SELECT patient_key FROM core.patient")}
    told = both.ended.stdout + both.ended.stderr
    assert [key for key in keys if key in told] == []
    assert "Traceback" not in told
    assert "WARN" not in told
