"""Every shipped view gives the same rows and the same rejects on Spark as on DuckDB."""

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

from mappings.compiler import compile_view
from mappings.viewdef import NamedView
from service.demo.center_a import build as build_a
from service.demo.center_b import build as build_b
from service.demo.cohort import read_cohort
from tests.conformance.harness import BASE_URL
from tests.conformance.made_up import Maker
from tests.conformance.oracle import VIEWS
from tests.spark.view_rows import by_duckdb, by_spark, relation

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

MADE_UP = 120
TEXTS = ["it's", 'a"b', "a\\b", "a\\nb", "a\nb", "`", "${x}", "ü€\U0001f600", " x ", "true", "5"]
NASTY: Mapping[str, list[Any]] = {
    # What a JSON number may look like, and texts that Spark alone takes for numbers.
    "decimal": [
        5.10,
        -0.0,
        1e-7,
        1.5e3,
        12345678901234567890.123456,
        1e300,
        " 5 ",
        "x",
        "5d",
        "0x1p3",
        "NaN",
        "-inf",
    ],
    "integer": [5.0, 1e2, 5.5, -1, 99999999999, "7"],
    "positiveInt": [5.0, 1e2, 99999999999],
    "boolean": ["true", "false", 1, 0],
    "date": ["2024-13-45", "24"],
    "dateTime": ["2024-02-30T10:00", "", "2024-01-01T10:00:00.123456789Z"],
    "instant": ["2024-02-30T10:00"],
}
REFERENCES = [
    "Patient/x\n",
    "Patient/",
    "Patient/x/_history/",
    f"{BASE_URL}Patient/x",
    f"{BASE_URL}//Patient/x",
    "urn:uuid:1",
    "Patient/" + "x" * 65,
]


class Nasty(Maker):
    """Makes resources of the right shape with values as no server should send them."""

    def _one(self, type_name: str, tree: Any) -> Any:
        if isinstance(tree, dict) or type_name[0].isupper() or self._random.random() < 0.5:
            return super()._one(type_name, tree)
        return self._random.choice(NASTY.get(type_name, TEXTS))

    def _value(self, element: Any, tree: Any) -> Any:
        if self._random.random() < 0.1:
            return self._random.choice([None, [] if element.is_list else None])
        return super()._value(element, tree)

    def _reference(self) -> str:
        return self._random.choice([super()._reference(), *REFERENCES])


DEMO = {
    "R4": build_a(read_cohort()).resources,
    "R5": build_b(read_cohort()).resources,
}


def made_up(named: NamedView, version: str) -> list[dict[str, Any]]:
    source = random.Random(f"{named.path.name} {version}")  # noqa: S311 -- test data
    makers = [kind(named, version, source) for kind in (Maker, Nasty)]
    return [maker.resource(f"{type(maker).__name__}{n}") for maker in makers for n in range(MADE_UP)]


@pytest.mark.parametrize(("named", "version"), VIEWS, ids=lambda value: getattr(value, "table", value))
def test_a_shipped_view_gives_the_same_on_spark(
    spark: "SparkSession", named: NamedView, version: str
) -> None:
    view = compile_view(named.view, fhir_version=version, carry=("center_id",))
    resource = relation([*DEMO[version], *made_up(named, version)])
    found = by_duckdb(view, resource)
    assert by_spark(spark, view, resource) == found
    assert found.rows
    assert bool(found.rejects) == (not view.rejects_sql.endswith("WHERE FALSE")), "the fault did not fire"
