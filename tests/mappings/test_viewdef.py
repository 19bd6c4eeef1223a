import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mappings.errors import ViewError
from mappings.viewdef import load_view, load_views, parse_view

COLUMN = {"name": "id", "path": "id", "type": "id"}
VIEW: dict[str, Any] = {"resource": "Patient", "select": [{"column": [COLUMN]}]}


def write(folder: Path, name: str, view: object = VIEW) -> None:
    (folder / name).write_text(json.dumps(view), encoding="utf-8")


def test_a_2_0_0_view_is_read() -> None:
    url = "https://sql-on-fhir.org/ig/StructureDefinition/ViewDefinition"
    view = parse_view(
        {**VIEW, "resourceType": url, "fhirVersion": ["4.0.1"], "name": "patient", "status": "draft"}
    )
    assert (view.resource, view.fhir_version, view.select[0].column[0].name) == ("Patient", ("4.0.1",), "id")


def test_a_3_0_0_ballot_view_is_read() -> None:
    select = [{"repeat": ["item", "answer.item"], "column": [{"name": "at", "path": "%rowIndex"}]}]
    view = parse_view(
        {"resourceType": "ViewDefinition", "resource": "QuestionnaireResponse", "select": select}
    )
    assert view.select[0].repeat == ("item", "answer.item")


def test_tags_and_constants_are_typed() -> None:
    column = {**COLUMN, "tag": [{"name": "other", "value": "x"}, {"name": "ansi/type", "value": "DATE"}]}
    constants = [{"name": "d", "valueDateTime": "2024"}, {"name": "n", "valueDecimal": 1.2}]
    view = parse_view({**VIEW, "select": [{"column": [column]}], "constant": constants})
    assert view.select[0].column[0].ansi_type == "DATE"
    assert [constant.typed_value for constant in view.constant] == [
        ("dateTime", "2024"),
        ("decimal", Decimal("1.2")),
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"resource": None}, "resource: "),
        ({"resource": "Patient; DROP"}, "resource: "),
        ({"resourceType": "Patient"}, "resourceType: "),
        ({"select": []}, "select: "),
        ({"columns": []}, "columns is not known; allowed: resourceType, resource, select, where, constant"),
        (
            {"select": [{"column": [COLUMN], "foreach": "name"}]},
            r"select\[0\].foreach is not known; allowed: column",
        ),
        (
            {"select": [{"column": [{**COLUMN, "pth": "x"}]}]},
            r"select\[0\].column\[0\].pth is not known; .*path",
        ),
        ({"select": [{"column": [{"name": "id"}]}]}, r"select\[0\].column\[0\].path: "),
        ({"select": [{"column": [{**COLUMN, "name": 'a"b'}]}]}, r"select\[0\].column\[0\].name: "),
        ({"select": [{"column": [{**COLUMN, "collection": "yes"}]}]}, r"column\[0\].collection: "),
        ({"select": [{"unionAll": [{"forEach": 1}]}]}, r"select\[0\].unionAll\[0\].forEach: "),
        ({"select": [{"forEach": "a", "repeat": ["b"]}]}, "only one of forEach, forEachOrNull and repeat"),
        ({"select": [{"repeat": []}]}, r"select\[0\].repeat: "),
        ({"where": [{"pat": "a"}]}, r"where\[0\].pat is not known; allowed: path, description"),
        ({"constant": [{"name": "c"}]}, r"constant\[0\]: a constant needs exactly one value"),
        ({"constant": [{"name": "c", "valueInteger": True}]}, r"constant\[0\].valueInteger: "),
        (
            {"constant": [{"name": "c", "valueText": "x"}]},
            r"constant\[0\].valueText is not known; allowed: name",
        ),
    ],
)
def test_an_error_names_the_file_the_place_and_what_is_allowed(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ViewError, match=rf"patient\.json is not a ViewDefinition: .*{message}"):
        parse_view({**VIEW, **change}, "patient.json")


def test_a_wrong_item_is_reported_once() -> None:
    with pytest.raises(ViewError) as caught:
        parse_view({**VIEW, "select": [{"foreach": "name"}]})
    assert "at least 1 item" not in caught.value.message


def test_views_of_a_folder_are_named_by_their_files(tmp_path: Path) -> None:
    for name in ("patient.json", "procedure.r5.json", "procedure.r4.json"):
        write(tmp_path, name)
    (tmp_path / "README.md").write_text("not a view")
    found = [(view.table, view.fhir_version, view.view.origin) for view in load_views(tmp_path)]
    assert found == [
        ("patient", None, str(tmp_path / "patient.json")),
        ("procedure", "R4", str(tmp_path / "procedure.r4.json")),
        ("procedure", "R5", str(tmp_path / "procedure.r5.json")),
    ]


@pytest.mark.parametrize("name", ["Patient.json", "patient.r3.json", "a-b.json", "1.json", ".json"])
def test_another_file_name_is_an_error(tmp_path: Path, name: str) -> None:
    write(tmp_path, name)
    with pytest.raises(ViewError, match="is not a name for a view file"):
        load_views(tmp_path)


def test_one_table_with_a_general_and_a_versioned_view_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, "patient.json")
    write(tmp_path, "patient.r5.json")
    with pytest.raises(ViewError, match=r"patient\.r5\.json and patient\.json both fill patient"):
        load_views(tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", '"x"'])
def test_a_file_without_a_json_object_is_an_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "patient.json"
    path.write_text(content)
    with pytest.raises(ViewError, match=r"patient\.json"):
        load_view(path)


def test_a_decimal_constant_keeps_the_digits_of_the_file(tmp_path: Path) -> None:
    text = json.dumps({**VIEW, "constant": [{"name": "c", "valueDecimal": 1}]})
    (tmp_path / "patient.json").write_text(
        text.replace('"valueDecimal": 1', '"valueDecimal": 0.10000000000000000001')
    )
    view = load_view(tmp_path / "patient.json")
    assert view.constant[0].typed_value == ("decimal", Decimal("0.10000000000000000001"))
