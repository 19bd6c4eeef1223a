import re
from pathlib import Path

import pytest
from outcomes_testbed import fill_core

from mappings.errors import SqlFileError
from outcomes.metric import check_columns, load_metrics, read_metric
from outcomes.refresh import compute
from warehouse.connection import Warehouse

METRICS = load_metrics()
GOOD = """-- metric = "mine"
-- version = 1
-- title = "Mine"
-- cohort = "core.patient"
-- grain = "patient"
-- statistic = "count"
-- unit = "patients"
-- needs = ["core.patient"]
-- groups = ["all"]
-- reference = "ours"
-- definition = "All of them."
SELECT center_id, 1 AS counted FROM core.patient
"""


def write(folder: Path, text: str, name: str = "mine.sql") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_new_metric_is_one_file(tmp_path: Path, warehouse: Warehouse) -> None:
    write(tmp_path, GOOD)
    with warehouse.transaction() as tx:
        fill_core(tx)
        (result,) = compute(tx, 1, load_metrics(tmp_path)).results
    assert (result.metric, result.group, result.statistic, result.value) == ("mine", "all", "count", 74.0)


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('statistic = "count"', 'statistic = "average"', "statistic"),
        ("-- version = 1\n", "", "version"),
        ("-- version = 1\n", '-- version = 1\n-- colour = "red"\n', "colour"),
        ('groups = ["all"]', 'groups = ["sex"]', "groups"),
        ('"mine"', '"yours"', "metric"),
        ('groups = ["all"]', 'groups = ["all"]\n-- horizons_months = [12]', "horizons_months"),
        ('groups = ["all"]', 'groups = ["all"]\n-- family = "nprs"', "family"),
        ('groups = ["all"]', 'groups = ["all"]\n-- cluster = "patient"', "cluster"),
        ('groups = ["all"]', 'groups = ["all"]\n-- interval = "exact"', "interval"),
        ('groups = ["all"]', 'groups = ["all"]\n-- contrast = "smd"', "contrast"),
    ],
)
def test_a_wrong_header_names_file_and_field(tmp_path: Path, old: str, new: str, field: str) -> None:
    assert old in GOOD
    with pytest.raises(SqlFileError, match=rf"mine\.sql is wrong: .*{field}"):
        read_metric(write(tmp_path, GOOD.replace(old, new)))


def test_a_body_with_other_columns_is_refused(tmp_path: Path, warehouse: Warehouse) -> None:
    write(tmp_path, GOOD.replace("AS counted", "AS number"))
    with warehouse.transaction() as tx:
        fill_core(tx)
        with pytest.raises(SqlFileError, match=r"mine\.sql gives the columns center_id, number"):
            compute(tx, 1, load_metrics(tmp_path))


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.metric)
def test_a_shipped_metric_reads_exactly_what_it_needs(metric, published: Warehouse) -> None:  # type: ignore[no-untyped-def]
    read = set(re.findall(r"\b(?:core|outcomes)\.[a-z_]+", metric.sql))
    assert read == set(metric.needs)
    with published.transaction() as tx:
        check_columns(metric, tx.columns(metric.sql))


def test_the_headline_metrics_exist() -> None:
    headline = """patients women age lesions cementoplasty complications_per_lesion complications_major
        complications_minor patients_with_complication painful_patients nprs_baseline nprs_24h nprs_1m
        nprs_last pain_followup pain_free_last local_control local_control_followup"""
    assert set(headline.split()) <= {metric.metric for metric in METRICS}
