"""The SQL on FHIR cases on Spark: the official ones where their folder is named, and the project's own."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mappings.compiler import CompiledView, compile_view
from mappings.errors import ViewError
from mappings.viewdef import parse_view
from tests.conformance.harness import Case, cases
from tests.spark.view_rows import by_duckdb, by_spark, relation

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

FOLDER = os.environ.get("SQL_ON_FHIR_TESTS")
OWN = Path(__file__).parents[1] / "conformance" / "cases"


def compiled(case: Case, *, strict: bool) -> CompiledView | None:
    """The view of a case; None where its compilation is what must fail."""
    try:
        return compile_view(parse_view(case.test["view"]), fhir_version=case.fhir_version, strict=strict)
    except ViewError:
        return None


CASES = [
    case
    for folder in ([Path(FOLDER)] if FOLDER else []) + [OWN]
    for case in cases(folder)
    if compiled(case, strict=False)
]


@pytest.fixture(scope="module", autouse=True)
def interpreted(spark: "SparkSession") -> Iterator[None]:
    """No Java is compiled for statements that run once on a few rows; the shipped views are run compiled."""
    settings = {"spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN"}
    for name, value in settings.items():
        spark.conf.set(name, value)
    yield
    for name in settings:
        spark.conf.unset(name)


@pytest.fixture(scope="module")
def agreeing(request: pytest.FixtureRequest) -> Iterator[list[Case]]:
    """The cases that agree; their number is told at the end."""
    found: list[Case] = []
    yield found
    terminal = request.config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None:
        terminal.write_line(f"\n{len(found)} of {len(CASES)} SQL on FHIR cases give the same on Spark")


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.suite}: {case.title}")
def test_a_case_gives_the_same_on_spark(spark: "SparkSession", agreeing: list[Case], case: Case) -> None:
    view = compiled(case, strict=False)
    assert view is not None
    resource = relation(case.resources)
    assert by_spark(spark, view, resource) == by_duckdb(view, resource)
    agreeing.append(case)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.test.get("expectError")], ids=lambda case: case.title
)
def test_a_strict_view_ends_the_statement_where_it_fails(spark: "SparkSession", case: Case) -> None:
    from pyspark.errors import PySparkException  # noqa: PLC0415 -- not installed everywhere

    view = compiled(case, strict=True)
    assert view is not None
    with pytest.raises(PySparkException, match="does not fit"):
        by_spark(spark, view, relation(case.resources))
