"""Codes in use: who uses the unmapped ones and since when, and which share of all is mapped."""

import datetime as dt
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from build_examples import PATIENT_COLUMNS, build_input, write_view
from landing_examples import NOON, patient, unit

from mappings.terminology import MappedCode
from mappings.value_rules import load_value_rules
from warehouse.build import build
from warehouse.connection import Warehouse
from warehouse.land import land
from warehouse.runs import start_run
from warehouse.terms import UnmappedCode, unmapped_codes

KNOWN = MappedCode("a", "s", "known", "set", "concept", "")


def night(number: int) -> dt.datetime:
    return NOON + dt.timedelta(days=number)


def coded(resource_id: str, *codes: str, hours: int = 0) -> Any:
    codings = [{"system": "s", "code": code, "display": f"D {code}"} for code in codes]
    return patient(resource_id, hours=hours, maritalStatus={"coding": codings})


@pytest.fixture
def views(tmp_path: Path) -> Path:
    write_view(tmp_path / "views", "patient", PATIENT_COLUMNS)
    coding = {
        "forEach": "maritalStatus.coding",
        "column": [
            {"name": "element", "path": "'marital'", "type": "string", "description": "Element."},
            {"name": "system", "path": "system", "type": "uri", "description": "System."},
            {"name": "code", "path": "code", "type": "code", "description": "Code."},
            {"name": "display", "path": "display", "type": "string", "description": "Display."},
        ],
    }
    key = {"name": "patient_key", "path": "getResourceKey()", "type": "string", "description": "Key."}
    write_view(tmp_path / "views", "patient_coding", [], select=[{"column": [key]}, coding])
    (tmp_path / "core").mkdir()
    return tmp_path / "views"


def run_night(warehouse: Warehouse, views: Path, number: int, *landed: Any, codes: Any = (KNOWN,)) -> None:
    run_id = start_run(warehouse, kind="sync", now=night(number), version="0", config_fingerprint="x")
    land(warehouse, unit(run_id, *landed))
    with warehouse.transaction() as transaction:
        made = build_input(run_id, views, views.parent / "core", code_map=list(codes))
        build(transaction, made, folder=warehouse.folder)


def seen(warehouse: Warehouse) -> dict[str, tuple[int, int, dt.datetime | None, dt.datetime | None]]:
    return {
        code.code: (code.resources, code.patients, code.first_seen_at, code.last_seen_at)
        for code in unmapped_codes(warehouse)
    }


def test_an_unmapped_code_has_its_users_and_when_it_came(warehouse: Warehouse, views: Path) -> None:
    run_night(warehouse, views, 0, coded("p1", "odd", "known"), coded("p2", "odd"))
    assert unmapped_codes(warehouse) == [
        UnmappedCode("a", "Patient", "marital", "s", "odd", "D odd", 2, 2, night(0), night(0))
    ]


def test_first_seen_survives_that_every_resource_is_landed_again(warehouse: Warehouse, views: Path) -> None:
    run_night(warehouse, views, 0, coded("p1", "odd"))
    run_night(warehouse, views, 1, coded("p1", "odd", "new", hours=1))
    run_night(warehouse, views, 2, coded("p2", "odd", hours=2))
    assert seen(warehouse) == {"odd": (2, 2, night(0), night(2)), "new": (1, 1, night(1), night(1))}


def test_a_refresh_without_news_changes_nothing(warehouse: Warehouse, views: Path) -> None:
    run_night(warehouse, views, 0, coded("p1", "odd"))
    before = unmapped_codes(warehouse)
    run_night(warehouse, views, 1)
    assert unmapped_codes(warehouse) == before


def test_a_code_that_is_mapped_or_gone_leaves_the_list(warehouse: Warehouse, views: Path) -> None:
    run_night(warehouse, views, 0, coded("p1", "odd"), coded("p2", "rare"))
    odd = MappedCode("a", "s", "odd", "set", "concept", "")
    run_night(warehouse, views, 1, coded("p2", "known", hours=1), codes=[KNOWN, odd])
    assert unmapped_codes(warehouse) == []


def test_the_most_used_codes_come_first(warehouse: Warehouse, views: Path) -> None:
    run_night(warehouse, views, 0, coded("p1", "a", "b"), coded("p2", "b", "c"), coded("p3", "b", "c"))
    assert [code.code for code in unmapped_codes(warehouse)] == ["b", "c", "a"]


def test_coverage_is_the_share_of_codings_that_mean_something(warehouse: Warehouse, views: Path) -> None:
    run_night(warehouse, views, 0, coded("p1", "known", "odd"), coded("p2", "known"), coded("p3", "known"))
    assert warehouse.rows("SELECT * FROM ops.code_coverage") == [
        {
            "center_id": "a",
            "resource_type": "Patient",
            "element": "marital",
            "codings": 4,
            "mapped_codings": 3,
            "mapped_share": 0.75,
        }
    ]
    run_night(warehouse, views, 1, codes=[])
    assert [row["mapped_share"] for row in warehouse.rows("FROM ops.code_coverage")] == [0.0]


def test_codes_of_components_are_counted_once_each(warehouse: Warehouse, views: Path) -> None:
    """A component's row repeats its code for each coding of its value."""
    parts = {
        "forEach": "contact",
        "column": [
            {"name": "component_index", "path": "%rowIndex", "type": "integer", "description": "Place."},
            {"name": "code_system", "path": "'s'", "type": "uri", "description": "System."},
            {"name": "code", "path": "gender", "type": "code", "description": "Code."},
            {"name": "value_code_system", "path": "'s'", "type": "uri", "description": "System."},
        ],
        "select": [
            {
                "forEach": "relationship.coding",
                "column": [{"name": "value_code", "path": "code", "type": "code", "description": "Code."}],
            }
        ],
    }
    key = {"name": "patient_key", "path": "getResourceKey()", "type": "string", "description": "Key."}
    write_view(views, "patient_component", [], select=[{"column": [key]}, parts])
    relationship = [{"coding": [{"code": "known"}, {"code": "other"}]}]
    contact = [{"gender": "male", "relationship": relationship}]
    run_night(warehouse, views, 0, patient("p1", contact=contact))
    found = [(code.resource_type, code.element, code.code) for code in unmapped_codes(warehouse)]
    assert found == [("PatientComponent", "code", "male"), ("PatientComponent", "value", "other")]
    coverage = warehouse.rows("SELECT element, codings, mapped_codings FROM ops.code_coverage ORDER BY ALL")
    assert coverage == [
        {"element": "code", "codings": 1, "mapped_codings": 0},
        {"element": "value", "codings": 2, "mapped_codings": 1},
    ]


def test_a_build_writes_the_value_rules_that_are_shipped_and_no_older_ones(
    warehouse: Warehouse, views: Path
) -> None:
    with warehouse.transaction() as transaction:
        transaction.execute("INSERT INTO ops.measure VALUES ('old', 'old', 0, 1)")
    run_night(warehouse, views, 0, coded("p1", "known"))
    rules = load_value_rules()
    for table, rows in (
        ("ops.measure", rules.measures),
        ("ops.measure_unit", rules.units),
        ("ops.answer_score", rules.answers),
    ):
        found = warehouse.rows(f"FROM {table}")
        assert sorted(map(str, found)) == sorted(str(asdict(row)) for row in rows)
