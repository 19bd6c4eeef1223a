"""A million Observations: every table and figure that Spark makes of them is DuckDB's."""

import pytest

from service.demo.server import demo_servers
from service.run import open_warehouse
from tests.end_to_end.conftest import make_study, now
from tests.spark.both_engines import TABLES, contents, figures, made_by_spark, refresh_on_spark
from tests.spark.grown import Growth, grow

pytestmark = pytest.mark.spark

GROWTH = Growth(copies=50, observations=490_000)


def test_figures_of_a_million_observations_are_equal(
    has_spark: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with demo_servers(now) as servers:
        study = make_study(tmp_path_factory.mktemp("million"), servers)
        study.sync()
    with open_warehouse(study.settings) as warehouse:
        grow(warehouse, GROWTH)
        (row,) = warehouse.rows("SELECT count(*) AS n FROM ops.head WHERE resource_type = 'Observation'")
        assert row["n"] >= 1_000_000
    study.refresh()
    with open_warehouse(study.settings) as warehouse:
        duck = contents(warehouse)
    ended = refresh_on_spark(study, tmp_path_factory.mktemp("million-place"), {})
    assert ended.returncode == 0, ended.stderr
    with open_warehouse(study.settings) as warehouse:
        assert made_by_spark(warehouse) == set(TABLES)
        assert {table for table, made in duck.items() if not made[1]} <= {
            "core.patient_link",
            "flat.survivor",
        }
        assert contents(warehouse) == duck
        found, differing = figures(warehouse, 2, 3)
    assert found > 1_000
    assert differing == 0
