"""The Spark form of a view is written from its one text: every primitive is known, or it is refused."""

import dataclasses

import pytest

from mappings.compiler import CompiledView, compile_view
from mappings.errors import ViewError
from mappings.viewdef import NamedView, parse_view
from tests.conformance.oracle import VIEWS
from warehouse.engines.views import spark_view


def compiled(path: str) -> CompiledView:
    column = {"name": "c", "path": path, "type": "string"}
    view = {"resource": "Patient", "status": "active", "select": [{"column": [column]}]}
    return compile_view(parse_view(view), fhir_version="R4")


@pytest.mark.parametrize(("named", "version"), VIEWS, ids=lambda value: getattr(value, "table", value))
def test_every_shipped_view_has_a_spark_form(named: NamedView, version: str) -> None:
    view = compile_view(named.view, fhir_version=version, carry=("center_id", "run_id"))
    written = spark_view(view)
    assert "json_transform" not in written.rows + written.rejects
    assert "TRY" not in written.rows + written.rejects


def test_text_of_a_view_stays_within_its_literal() -> None:
    written = spark_view(compiled(r"'it\'s \\ `x` \n'"))
    assert r"'it\'s \\ `x`" in written.rows


def test_what_may_fail_is_asked_and_never_raised_within_a_guard() -> None:
    written = spark_view(compiled("name.family"))
    assert "raise_error" not in written.rows
    assert "explode(IF(coalesce(" in written.rows
    strict = compile_view(
        parse_view({"resource": "Patient", "select": [{"column": [{"name": "c", "path": "name.family"}]}]}),
        fhir_version="R4",
        strict=True,
    )
    assert "raise_error" in spark_view(strict).rows


@pytest.mark.parametrize(
    ("expression", "named"),
    [("hash('x')", "hash"), ("'x' LIKE 'y'", "Like"), ("strftime(DATE '2024-01-01', '%Y')", "strftime")],
)
def test_a_primitive_without_a_spark_form_is_refused_by_name(expression: str, named: str) -> None:
    view = dataclasses.replace(compiled("'x'"), sql=f"SELECT {expression} AS c FROM resource")  # noqa: S608
    with pytest.raises(ViewError, match=named):
        spark_view(view)
