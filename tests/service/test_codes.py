"""`cryocohort codes`: every problem told, unmapped codes as a file to fill in, FHIR out and in."""

import csv
import datetime as dt
import io
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from fhir.resources.R4B.conceptmap import ConceptMap
from fhir.resources.R4B.valueset import ValueSet
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from mappings.errors import ConfigError, TerminologyError
from mappings.terminology import MAP_COLUMNS, load_center_map, load_codes
from mappings.terminology_rows import COUNTED, REVIEW_ONLY, guarded, unguarded
from service.cli import app
from service.codes import check_codes, import_concept_map, skeleton
from service.configuration import load_settings
from service.run import open_warehouse
from service.settings import Settings
from warehouse.terms import UnmappedCode

SHIPPED = Path(__file__).parents[2] / "config"
HOW_TO = (SHIPPED.parent / "docs" / "how-to" / "map-codes.md").read_text(encoding="utf-8")
SNOMED = "http://snomed.info/sct"
T8 = {"target_system": SNOMED, "target_code": "77435000", "target_display": "Body of vertebra T8"}
ROW = {
    "source_system": "urn:oid:1.2.3",
    "source_code": "V-T8",
    "source_display": "Vertebral body T8",
    **T8,
    "equivalence": "equivalent",
    "status": "approved",
    "verified_by": "a data manager",
    "verified_on": "2026-11-01",
    "comment": "",
}
SEEN = dt.datetime(2024, 5, 1, tzinfo=dt.UTC)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The shipped configuration with no code files."""
    folder = tmp_path / "config"
    shutil.copytree(SHIPPED, folder)
    for codes in folder.glob("centers/*/codes"):
        shutil.rmtree(codes)
    return folder


@pytest.fixture
def settings(config: Path) -> Settings:
    return load_settings(config)


def run(config: Path, *arguments: str) -> Result:
    result: Result = CliRunner().invoke(app, ["codes", *arguments, "--config", str(config)])
    return result


def write(config: Path, *rows: Mapping[str, str], center: str = "a", name: str = "codes.csv") -> Path:
    path = config / "centers" / center / "codes" / name
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, MAP_COLUMNS)
        writer.writeheader()
        writer.writerows({**ROW, **row} for row in rows)
    return path


def found(settings: Settings) -> list[tuple[str, str, str]]:
    """Severity, place from the row on, and center."""
    return [
        (problem.severity, problem.message.partition("row ")[2], problem.center_id)
        for problem in check_codes(settings)
    ]


# --- check ---


def test_the_shipped_centers_have_no_error() -> None:
    assert {problem.severity for problem in check_codes(load_settings(SHIPPED))} <= {"warning"}
    assert run(SHIPPED, "check").exit_code == 0


@pytest.mark.parametrize(
    ("rows", "severity", "message"),
    [
        ([{}, {}], "error", "3, column source_code: the same mapping as in .*codes.csv, row 2"),
        ([{"target_code": "1"}], "error", "2, column target_code: 1 of .* is in no canonical code set"),
        ([{"target_system": "urn:x"}], "error", "2, column target_system: no canonical .* system urn:x"),
        ([{}, {"target_code": "33766003"}], "error", "3, column target_code: V-T8 has another meaning"),
        ([{"verified_by": ""}], "error", "2, column verified_by: the cell is empty"),
        ([{"source_code": "V  T8"}], "error", "2, column source_code: FHIR allows single blanks"),
        ([{"status": "draft"}], "warning", "2, column status: a draft, which counts nothing yet"),
        ([{"source_system": "https://loinc.org"}], "warning", "2, column source_system: .* another spelling"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_problem_is_found(
    config: Path, settings: Settings, rows: list[dict[str, str]], severity: str, message: str
) -> None:
    write(config, *rows)
    [problem] = check_codes(settings)
    assert problem.severity == severity
    assert re.search(message, problem.message)
    assert problem.next_step
    assert run(config, "check").exit_code == (10 if severity == "error" else 0)


def test_all_problems_of_all_files_and_centers_are_told(config: Path, settings: Settings) -> None:
    write(config, {"verified_by": "", "verified_on": "1/2/26"}, {"target_code": "1"}, {"status": "draft"})
    write(config, {"equivalence": "same"}, center="b", name="b.csv")
    (config / "centers/b/codes/c.csv").write_text("source;target\n", encoding="utf-8")
    shown = run(config, "check")
    assert shown.exit_code == TerminologyError.exit_code == 10
    for part in (
        "row 2, column verified_by",
        "row 2, column verified_on",
        "row 3, column target_code",
        "row 4, column status",
        "column equivalence: 'same' is unknown",
        "c.csv: the columns are",
        "2 centers: 5 errors, 1 warnings",
    ):
        assert part in shown.output


def test_a_draft_that_contradicts_an_approved_row_is_a_warning_wherever_it_stands(
    config: Path, settings: Settings
) -> None:
    write(config, {"status": "draft", "target_code": "33766003"}, {})
    assert [(severity, place[:1]) for severity, place, _ in found(settings)] == [
        ("warning", "2"),
        ("warning", "2"),
    ]


def test_an_untouched_skeleton_row_stops_nothing(config: Path, settings: Settings) -> None:
    blank = dict.fromkeys(("target_system", "target_code", "target_display", "equivalence"), "")
    write(config, {**blank, "status": "draft", "verified_by": "", "verified_on": ""})
    assert [severity for severity, *_ in found(settings)] == ["warning"]
    assert load_center_map(config / "centers/a/codes", "a").rows[0].status == "draft"


def test_a_rejected_row_is_a_decision_and_no_problem(config: Path, settings: Settings) -> None:
    write(config, {"status": "rejected", "target_code": "1"})
    assert found(settings) == []


def test_two_spellings_of_a_text_cannot_mean_two_things(config: Path, settings: Settings) -> None:
    text = {"source_system": "text", "source_display": ""}
    write(
        config,
        {**text, "source_code": "the 8th"},
        {**text, "source_code": "THE8th", "target_code": "33766003"},
    )
    [(severity, place, _)] = found(settings)
    assert (severity, place[:1]) == ("error", "3")


# --- the how-to ---


def test_the_how_to_names_every_column_and_every_equivalence_as_it_counts() -> None:
    columns = re.findall(r"(?m)^\| (`source_system`.*?|`\w+`(?:, `\w+`)*) \|", HOW_TO)
    named = [name for cell in columns for name in re.findall(r"`(\w+)`", cell)]
    assert [name for name in named if name in MAP_COLUMNS] == list(MAP_COLUMNS)
    counts = dict(re.findall(r"(?m)^\| `(\w+)` \|.*\| (yes|no) \|$", HOW_TO))
    assert counts == dict.fromkeys(COUNTED, "yes") | dict.fromkeys(REVIEW_ONLY, "no")


# --- unmapped ---


def a_code(code: str, *, system: str = "urn:x", center: str = "a", resources: int = 1) -> UnmappedCode:
    return UnmappedCode(
        center, "Procedure", "code", system, code, f"Display of {code}", resources, 1, SEEN, SEEN
    )


def fill(settings: Settings, *codes: UnmappedCode) -> None:
    columns = UnmappedCode.__slots__
    with open_warehouse(settings) as warehouse, warehouse.transaction() as transaction:
        transaction.insert(
            "ops.unmapped", [{column: getattr(code, column) for column in columns} for code in codes]
        )


def test_unmapped_codes_are_listed_the_most_used_first(config: Path, settings: Settings) -> None:
    fill(settings, a_code("RARE"), a_code("OFTEN", resources=9, center="b"), a_code("\x1b[2J"))
    shown = run(config, "unmapped").output
    assert shown.index("OFTEN") < shown.index("RARE")
    assert "2024-05-01" in shown
    assert "\x1b" not in shown
    assert "OFTEN" not in run(config, "unmapped", "--center", "a").output


def test_before_the_first_sync_the_next_step_is_told(config: Path) -> None:
    told = run(config, "unmapped").exception
    assert "cryocohort sync" in str(told)


def test_a_center_that_is_not_configured_is_refused(config: Path) -> None:
    told = run(config, "unmapped", "--center", "z").exception
    assert isinstance(told, ConfigError)
    assert "a, b" in told.next_step


def test_the_skeleton_is_a_code_file_that_can_be_put_in_place_and_filled_in(
    config: Path, settings: Settings
) -> None:
    fill(
        settings,
        a_code("Y"),
        a_code("X", resources=3),
        a_code("the  hip", system="text"),
        a_code("N", system=""),
    )
    shown = run(config, "unmapped", "--csv")
    assert shown.exit_code == 0
    path = config / "centers/a/codes/new.csv"
    path.parent.mkdir()
    path.write_text(shown.stdout, encoding="utf-8")
    rows = load_center_map(path.parent, "a").rows
    assert [(*row.source, row.status) for row in rows] == [
        ("urn:x", "X", "draft"),
        ("text", "the hip", "draft"),
        ("urn:x", "Y", "draft"),
    ]
    assert "left out: 1 codes" in shown.stderr


def test_a_code_used_in_two_elements_is_one_row() -> None:
    other = UnmappedCode("a", "Condition", "body_site", "urn:x", "X", "", 1, 1, None, None)
    assert len(skeleton([a_code("X"), other]).splitlines()) == 2


def test_a_file_for_two_centers_at_once_is_wrong_usage(config: Path, settings: Settings) -> None:
    fill(settings, a_code("X"), a_code("Y", center="b"))
    assert run(config, "unmapped", "--csv").exit_code == 2
    assert run(config, "unmapped", "--csv", "--center", "b").exit_code == 0


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "'=", "''@"])
def test_no_cell_of_the_skeleton_is_a_formula_and_every_code_comes_back(start: str) -> None:
    code = f'{start}HYPERLINK("http://example.org";"x"),1'
    [_, cells] = csv.reader(io.StringIO(skeleton([a_code(code)]), newline=""))
    assert all(cell[:1] not in tuple("=+-@\t\r\n\uff1d") or not cell for cell in cells)
    assert unguarded(cells[1]) == code


@given(st.text())
def test_guarding_a_cell_loses_nothing(cell: str) -> None:
    assert unguarded(guarded(cell)) == cell


# --- export and import ---


def exported(config: Path, folder: Path) -> dict[str, Any]:
    assert run(config, "export", "--fhir", str(folder)).exit_code == 0
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in folder.iterdir()}


def test_the_export_is_valid_fhir_and_complete(tmp_path: Path) -> None:
    files = exported(SHIPPED, tmp_path / "fhir")
    maps = [file for file in files.values() if file["resourceType"] == "ConceptMap"]
    sets = [file for file in files.values() if file["resourceType"] == "ValueSet"]
    assert [ConceptMap.model_validate(file).status for file in maps] == ["active", "active"]
    assert all(ValueSet.model_validate(file).status == "active" for file in sets)
    assert {file["url"] for file in sets} == {f"urn:cryocohort:code-set:{c.code_set}" for c in load_codes()}
    codes = {
        (include["system"], concept["code"], file["url"].rpartition(":")[2])
        for file in sets
        for include in file["compose"]["include"]
        for concept in include["concept"]
    }
    assert codes == {(c.system, c.code, c.code_set) for c in load_codes() if c.system != "text"}


def test_a_value_set_says_what_a_code_means_and_requires(tmp_path: Path) -> None:
    procedure = exported(SHIPPED, tmp_path)["ValueSet-procedure.json"]
    [snomed] = [part for part in procedure["compose"]["include"] if part["system"] == SNOMED]
    [bone] = [concept for concept in snomed["concept"] if concept["code"] == "178923005"]
    assert [part["valueString"] for part in bone["extension"]] == ["cryoablation", "spine_site"]


def test_a_map_with_errors_is_not_exported(config: Path, tmp_path: Path) -> None:
    write(config, {"target_code": "1"})
    told = run(config, "export", "--fhir", str(tmp_path / "fhir"))
    assert isinstance(told.exception, TerminologyError)
    assert not (tmp_path / "fhir").exists()


def concept_map(*targets: Mapping[str, Any], nowhere: bool = False, **group: Any) -> dict[str, Any]:
    element = {"code": "V-T8", "display": "Vertebral body T8", "target": list(targets)}
    source = {} if nowhere else {"source": "urn:oid:1.2.3"}
    whole = {**source, "target": SNOMED, "element": [element], **group}
    return {"resourceType": "ConceptMap", "status": "draft", "group": [whole]}


def import_(config: Path, content: Any, center: str = "a") -> Result:
    file = config.parent / "map.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return run(config, "import", str(file), "--center", center)


MATCH = {"code": "77435000", "display": "Body of vertebra T8", "equivalence": "equivalent"}


def test_what_is_imported_is_a_draft_that_nobody_signed(config: Path) -> None:
    assert import_(config, concept_map(MATCH)).exit_code == 0
    [row] = load_center_map(config / "centers/a/codes", "a").rows
    assert (row.source, row.target, row.equivalence) == (
        ("urn:oid:1.2.3", "V-T8"),
        (SNOMED, "77435000"),
        "equivalent",
    )
    assert (row.status, row.verified_by, row.verified_on) == ("draft", "", "")
    assert run(config, "check").exit_code == 0


def test_importing_again_adds_nothing(config: Path) -> None:
    import_(config, concept_map(MATCH))
    path = config / "centers/a/codes/imported.csv"
    before = path.read_bytes()
    shown = import_(config, concept_map(MATCH)).output
    assert "0 drafts added, 1 mappings were there already" in shown.replace("\n", " ")
    assert path.read_bytes() == before


def test_approved_rows_are_never_overwritten(config: Path) -> None:
    approved = write(config, {"comment": "signed"}, name="imported.csv").read_bytes()
    other = {"code": "33766003", "equivalence": "equivalent"}
    import_(config, concept_map({**MATCH, "equivalence": "disjoint"}, other))
    written = (config / "centers/a/codes/imported.csv").read_bytes()
    assert written.startswith(approved)
    statuses = [(row.target[1], row.status) for row in load_center_map(config / "centers/a/codes", "a").rows]
    assert statuses == [("77435000", "approved"), ("33766003", "draft")]


def test_a_last_line_without_an_end_stays_a_line_of_its_own(config: Path) -> None:
    path = write(config, {}, name="imported.csv")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().rstrip())
    import_(config, concept_map({"code": "33766003", "equivalence": "equivalent"}))
    assert len(load_center_map(path.parent, "a").rows) == 2


@pytest.mark.parametrize("center", ["a", "b"])
def test_an_export_imported_elsewhere_says_the_same(config: Path, tmp_path: Path, center: str) -> None:
    content = exported(SHIPPED, tmp_path / "fhir")[f"ConceptMap-codes-of-center-{center}.json"]
    assert import_(config, content).exit_code == 0
    there = load_center_map(SHIPPED / "centers" / center / "codes", center).rows
    here = load_center_map(config / "centers/a/codes", "a").rows
    assert {(row.source, row.target, row.equivalence) for row in here} == {
        (row.source, row.target, row.equivalence) for row in there
    }


def test_formulas_of_a_foreign_map_are_disarmed(config: Path) -> None:
    import_(config, concept_map({**MATCH, "comment": "=1+1"}))
    assert ",'=1+1" in (config / "centers/a/codes/imported.csv").read_text(encoding="utf-8")
    assert load_center_map(config / "centers/a/codes", "a").rows[0].comment == "=1+1"


def test_an_element_without_target_is_imported_as_unmatched(config: Path) -> None:
    import_(config, concept_map(element=[{"code": "V-T8"}]))
    [row] = load_center_map(config / "centers/a/codes", "a").rows
    assert (row.target, row.equivalence) == (("", ""), "unmatched")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ({"resourceType": "Patient"}, "is no ConceptMap"),
        (["x"], "is no ConceptMap"),
        (concept_map({"code": "1", "relationship": "equivalent"}), "no valid FHIR R4 ConceptMap"),
        (concept_map({**MATCH, "dependsOn": [{"property": "urn:p", "value": "1"}]}), "depends on another"),
        (concept_map(MATCH, nowhere=True), "mapping 1, column source_system: the cell is empty"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_imported_is_refused_and_nothing_is_written(
    config: Path, content: Any, message: str
) -> None:
    told = import_(config, content).exception
    assert isinstance(told, TerminologyError)
    assert message in told.message
    assert not (config / "centers/a/codes").exists()


def test_a_missing_file_is_told(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        import_concept_map(settings, "a", tmp_path / "none.json")
