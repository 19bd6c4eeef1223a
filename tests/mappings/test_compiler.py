import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.compiler import CompiledColumn, CompiledView, compile_view
from mappings.errors import ViewError
from mappings.viewdef import parse_view

RELATION = (
    "CREATE TABLE resource"
    "(center_id TEXT, base_url TEXT, resource_type TEXT, resource_id TEXT, run_id INTEGER, body TEXT)"
)
BASE_URLS = {"a": "http://a.example/fhir", "b": "http://b.example/fhir/"}


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        opened.execute(RELATION)
        yield opened


def add(connection: duckdb.DuckDBPyConnection, resource: Mapping[str, Any], center_id: str = "a") -> None:
    row = [center_id, BASE_URLS[center_id], resource["resourceType"], resource["id"], 7, json.dumps(resource)]
    connection.execute("INSERT INTO resource VALUES (?, ?, ?, ?, ?, ?)", row)


def patient(patient_id: str, *families: str) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": patient_id, "name": [{"family": name} for name in families]}


def columns_view(*columns: tuple[str, str], **rest: object) -> dict[str, Any]:
    found = [{"name": name, "path": path} for name, path in columns]
    return {"resource": "Patient", "select": [{"column": found}], **rest}


def compiled(view: Mapping[str, Any], **options: Any) -> CompiledView:
    return compile_view(parse_view(view), fhir_version="R4", **options)


FAMILY = columns_view(("id", "id"), ("family", "name.family"))


def test_columns_are_described_as_duckdb_has_them(connection: duckdb.DuckDBPyConnection) -> None:
    columns = [
        {"name": "key", "path": "getResourceKey()", "description": "Key of the patient."},
        {"name": "birth_text", "path": "birthDate", "type": "date"},
        {"name": "is_active", "path": "active", "type": "boolean"},
        {"name": "births", "path": "multipleBirth.ofType(integer)", "type": "integer"},
        {"name": "names", "path": "name.count()", "type": "integer"},
        {"name": "ratio", "path": "1 / 3"},
        {"name": "given", "path": "name.given", "type": "string", "collection": True},
        {"name": "day", "path": "birthDate", "tag": [{"name": "ansi/type", "value": "DATE"}]},
        {"name": "price", "path": "1.5", "tag": [{"name": "ansi/type", "value": "numeric( 8, 2 )"}]},
    ]
    view = compiled({"resource": "Patient", "select": [{"column": columns}]})
    described = connection.execute(f"DESCRIBE {view.sql}").fetchall()
    assert [(name, sql_type) for name, sql_type, *_ in described] == [
        (c.name, c.sql_type) for c in view.columns
    ]
    assert view.columns[0] == CompiledColumn("key", "VARCHAR", "Key of the patient.")


def test_carried_columns_come_first(connection: duckdb.DuckDBPyConnection) -> None:
    add(connection, patient("p", "A"))
    for view in (FAMILY, {**FAMILY, "where": [{"path": "name.exists()"}]}):
        result = connection.execute(compiled(view, carry=("center_id", "run_id")).sql)
        assert [column[0] for column in result.description] == ["center_id", "run_id", "id", "family"]
        assert result.fetchall() == [("a", 7, "p", "A")]


def test_a_carried_column_cannot_be_a_column_of_the_view_too() -> None:
    with pytest.raises(ViewError, match="two columns are named id"):
        compiled(FAMILY, carry=("ID",))


def test_only_the_views_resource_type_is_read(connection: duckdb.DuckDBPyConnection) -> None:
    add(connection, patient("p", "A"))
    add(connection, {"resourceType": "Practitioner", "id": "x", "name": [{"family": "B"}]})
    assert connection.execute(compiled(FAMILY).sql).fetchall() == [("p", "A")]


def test_the_source_may_be_a_select(connection: duckdb.DuckDBPyConnection) -> None:
    for patient_id in ("p", "q"):
        add(connection, patient(patient_id, "A"))
    view = compiled(FAMILY, source="(SELECT * FROM resource WHERE resource_id = 'q')")
    assert connection.execute(view.sql).fetchall() == [("q", "A")]


def test_keys_of_two_centers_never_meet(connection: duckdb.DuckDBPyConnection) -> None:
    reference = {"other": {"reference": "http://b.example/fhir/Patient/p"}, "type": "seealso"}
    for center_id in ("a", "b"):
        add(connection, {"resourceType": "Patient", "id": "p", "link": [reference]}, center_id)
    view = columns_view(("key", "getResourceKey()"), ("link", "link.other.getReferenceKey(Patient)"))
    assert sorted(connection.execute(compiled(view).sql).fetchall()) == [("a/p", None), ("b/p", "b/p")]


GIVEN = {"forEachOrNull": "name", "column": [{"name": "given", "path": "given"}]}


@pytest.mark.parametrize(
    ("view", "places"),
    [
        (FAMILY, "column family"),
        ({**FAMILY, "where": [{"path": "name.family > 'A'"}]}, "column family, where[0]"),
        ({"resource": "Patient", "select": [GIVEN]}, "column given"),
        (
            columns_view(("low", "birthDate.lowBoundary()"), ("n", "multipleBirth.ofType(integer) * 2")),
            "column n",
        ),
    ],
    ids=["column", "condition", "loop", "overflow"],
)
def test_one_bad_resource_is_listed_and_the_others_have_rows(
    connection: duckdb.DuckDBPyConnection, view: Mapping[str, Any], places: str
) -> None:
    bad = {**patient("bad", "B", "C"), "multipleBirthInteger": 2000000000}
    bad["name"][0]["given"] = ["x", "y"]
    for resource in (patient("p", "B"), bad, patient("q", "D")):
        add(connection, resource)
    made = compiled(view, carry=("resource_id",))
    assert [row[0] for row in connection.execute(made.sql).fetchall()] == ["p", "q"]
    reason = f"more than one value, or a value that does not fit, in: {places}"
    assert connection.execute(made.rejects_sql).fetchall() == [("a", "bad", reason)]
    with pytest.raises((duckdb.ConversionException, duckdb.OutOfRangeException)):
        connection.execute(compiled(view, strict=True).sql).fetchall()


SEVERAL = {
    "resource": "Patient",
    "where": [{"path": "address.city >= 'A'"}],
    "select": [
        {
            "column": [
                {"name": "family", "path": "name.family"},
                {"name": "number", "path": "multipleBirth.ofType(integer) * 2"},
            ]
        },
        {
            "unionAll": [
                {"forEach": "contact[0]", "column": [{"name": "given", "path": "name.given"}]},
                {
                    "forEach": "contact.where(name.given = 'x')",
                    "column": [{"name": "given", "path": "name.text"}],
                },
            ]
        },
    ],
}
CITIES = [{"city": "A"}, {"city": "B"}]


@pytest.mark.parametrize(
    ("bad", "places"),
    [
        ({"name": [{"family": "A"}, {"family": "B"}]}, "column family"),
        ({"multipleBirthInteger": 2000000000}, "column number"),
        (
            {"name": [{"family": "A"}, {"family": "B"}], "multipleBirthInteger": 2000000000},
            "column family, column number",
        ),
        ({"address": CITIES}, "where[0]"),
        ({"address": CITIES, "name": [{"family": "A"}, {"family": "B"}]}, "column family, where[0]"),
        ({"contact": [{"name": {"given": ["x", "y"]}}, {}]}, "column given"),
    ],
    ids=["column", "other column", "both", "condition", "column and condition", "column of a union"],
)
def test_only_the_places_at_fault_are_named(
    connection: duckdb.DuckDBPyConnection, bad: Mapping[str, Any], places: str
) -> None:
    good = {"address": [{"city": "A"}], "contact": [{"name": {"given": ["x"]}}]}
    add(connection, {"resourceType": "Patient", "id": "good", **good})
    add(connection, {"resourceType": "Patient", "id": "bad", **good, **bad})
    made = compiled(SEVERAL, carry=("resource_id",))
    assert {row[0] for row in connection.execute(made.sql).fetchall()} == {"good"}
    [(_, resource_id, reason)] = connection.execute(made.rejects_sql).fetchall()
    assert (resource_id, reason.partition(": ")[2]) == ("bad", places)


@pytest.mark.parametrize(
    "view",
    [
        columns_view(("one", "name.family"), ("two", "name.family"), ("row", "id")),
        columns_view(
            ("one", "multipleBirth.ofType(integer) * 2"), ("two", "multipleBirth.ofType(integer) * 2")
        ),
        columns_view(("one", "iif(name.family > 'A', name.family, name.family)"), ("row", "id")),
        {**columns_view(("row", "id")), "where": [{"path": "name.family > 'A' or name.family < 'A'"}]},
    ],
    ids=["two columns", "an overflow", "one column", "a condition"],
)
def test_what_fails_twice_costs_one_resource_too(
    connection: duckdb.DuckDBPyConnection, view: Mapping[str, Any]
) -> None:
    """DuckDB computes what stands twice only once, outside TRY, unless it stands in a lambda."""
    add(connection, {**patient("p", "B"), "multipleBirthInteger": 2})
    add(connection, {**patient("bad", "B", "C"), "multipleBirthInteger": 2000000000})
    made = compiled(view, carry=("resource_id",))
    assert [row[0] for row in connection.execute(made.sql).fetchall()] == ["p"]
    assert [row[1] for row in connection.execute(made.rejects_sql).fetchall()] == ["bad"]


def test_an_iteration_at_fault_is_named_alone(connection: duckdb.DuckDBPyConnection) -> None:
    view = {
        "resource": "Patient",
        "select": [
            {
                "forEach": "contact.where(name.given > 'a')",
                "column": [{"name": "given", "path": "name.given"}],
            }
        ],
    }
    for number, first in enumerate((["x"], ["y", "z"], ["x", "y"])):
        names = [{"name": {"given": first}}, {"name": {"given": ["x"]}}]
        add(connection, {"resourceType": "Patient", "id": f"p{number}", "contact": names})
    found = connection.execute(compiled(view).rejects_sql).fetchall()
    assert [(row[1], row[2].partition(": ")[2]) for row in found] == [
        (f"p{n}", "select[0].forEach") for n in (1, 2)
    ]


def test_a_number_that_is_none_is_rejected_and_not_lost(connection: duckdb.DuckDBPyConnection) -> None:
    body = {"resourceType": "Observation", "valueQuantity": {"value": "about 5"}}
    add(connection, {**body, "id": "o"})
    column = {"name": "v", "path": "value.ofType(Quantity).value", "type": "decimal"}
    view = compiled({"resource": "Observation", "select": [{"column": [column]}]})
    assert connection.execute(view.sql).fetchall() == []
    assert connection.execute(view.rejects_sql).fetchall()[0][:2] == ("a", "o")


def test_a_condition_that_is_false_is_no_rejection(connection: duckdb.DuckDBPyConnection) -> None:
    add(connection, patient("p", "A"))
    add(connection, {"resourceType": "Patient", "id": "q"})
    view = compiled({**FAMILY, "where": [{"path": "name.family = 'B'"}]})
    assert connection.execute(view.sql).fetchall() == []
    assert connection.execute(view.rejects_sql).fetchall() == []


def test_a_reject_reason_holds_no_content(connection: duckdb.DuckDBPyConnection) -> None:
    add(connection, patient("bad", "Secret", "Hidden"))
    reason = connection.execute(compiled(FAMILY).rejects_sql).fetchall()[0][2]
    assert "Secret" not in reason
    assert "Hidden" not in reason


def test_a_null_in_an_array_is_no_element(connection: duckdb.DuckDBPyConnection) -> None:
    add(connection, {"resourceType": "Patient", "id": "p", "name": [None, {"family": "A"}, None]})
    column = [{"name": "at", "path": "%rowIndex"}, {"name": "family", "path": "family"}]
    view = compiled({"resource": "Patient", "select": [{"forEach": "name", "column": column}]})
    assert connection.execute(view.sql).fetchall() == [(0, "A")]


def test_the_elements_read_are_named() -> None:
    view = columns_view(("key", "getResourceKey()"), ("family", "name.family.first()"), ("at", "birthDate"))
    assert compiled({**view, "where": [{"path": "deceased.exists()"}]}).elements == (
        "birthDate",
        "deceasedBoolean",
        "deceasedDateTime",
        "name",
    )


def test_the_json_read_is_pruned_to_the_paths() -> None:
    schema = '{"name":[{"family":"VARCHAR"}],"id":"VARCHAR"}'
    assert schema in compiled(columns_view(("family", "name.family.first()"), ("id", "id"))).sql


def test_an_error_names_the_view_the_place_and_the_path() -> None:
    view = parse_view(columns_view(("family", "name.famly")), "patient.r4.json")
    with pytest.raises(ViewError) as caught:
        compile_view(view, fhir_version="R4")
    place = "patient.r4.json: select[0].column[0] family 'name.famly': "
    assert caught.value.message == f"{place}HumanName has no element 'famly' in FHIR R4."
    assert "family, given" in caught.value.next_step


@pytest.mark.parametrize("version", ["R3", "4.0.1", "r4"])
def test_an_unknown_fhir_version_is_an_error(version: str) -> None:
    with pytest.raises(ViewError, match="not supported"):
        compile_view(parse_view(FAMILY), fhir_version=version)


def test_repeat_inside_for_each_cannot_share_an_element_with_a_path() -> None:
    inner: Sequence[Mapping[str, Any]] = [
        {"column": [{"name": "below", "path": "item.linkId.first()"}]},
        {"repeat": ["item"], "column": [{"name": "link", "path": "linkId"}]},
    ]
    with pytest.raises(ViewError, match="another path reads too"):
        compiled({"resource": "Questionnaire", "select": [{"forEach": "item", "select": inner}]})


TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))


@settings(deadline=None, max_examples=50)
@given(text=TEXT)
def test_no_text_of_a_view_leaves_its_literal(text: str) -> None:
    path = "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
    view = columns_view(("written", path), ("named", "%c"), constant=[{"name": "c", "valueString": text}])
    with duckdb.connect() as opened:
        opened.execute(RELATION)
        add(opened, patient("p"))
        assert opened.execute(compiled(view).sql).fetchall() == [(text, text)]


def test_a_text_that_sql_cannot_hold_is_an_error() -> None:
    with pytest.raises(ViewError, match="NUL"):
        compiled(columns_view(("c", "%c"), constant=[{"name": "c", "valueString": "a\x00b"}]))
