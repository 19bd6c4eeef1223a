"""Build: raw to flat to core, the contracts of views and SQL files, unmapped codes."""

from pathlib import Path
from typing import Any

import pytest
from build_examples import PATIENT_COLUMNS, RULES, build_input, write_table, write_view
from landing_examples import a_run, patient, refused, unit

from mappings.errors import SqlFileError, ViewError, WarehouseError
from mappings.terminology import MappedCode
from warehouse.build import BuildCenter, BuiltTable, build
from warehouse.connection import Warehouse
from warehouse.land import land
from warehouse.tables import build_tables, read_table_files

COLUMNS = {"center_id": "Center.", "patient_key": "Key.", "gender": "As sent."}
BODY = "SELECT center_id, patient_key, gender FROM flat.patient"
KEYLESS = "SELECT center_id, nullif(patient_key, 'b/p1') AS patient_key, gender FROM flat.patient"


@pytest.fixture
def views(tmp_path: Path) -> Path:
    write_view(tmp_path / "views", "patient", PATIENT_COLUMNS)
    return tmp_path / "views"


@pytest.fixture
def core(tmp_path: Path) -> Path:
    (tmp_path / "core").mkdir()
    return tmp_path / "core"


@pytest.fixture
def landed(warehouse: Warehouse) -> Warehouse:
    run_id = a_run(warehouse)
    land(warehouse, unit(run_id, patient("p1", gender="male"), patient("p2", gender="female")))
    land(warehouse, unit(run_id, patient("p1", gender="other"), center_id="b"))
    return warehouse


def run_build(warehouse: Warehouse, views: Path, core: Path, **more: Any) -> list[BuiltTable]:
    with warehouse.transaction() as transaction:
        return build(transaction, build_input(1, views, core, **more), folder=warehouse.folder)


def rows_of(built: list[BuiltTable]) -> dict[str, int]:
    return {table.table: table.rows for table in built}


def flat_patients(warehouse: Warehouse) -> dict[str, str | None]:
    return {row["patient_key"]: row["gender"] for row in warehouse.rows("SELECT * FROM flat.patient")}


def test_every_center_is_read_into_one_flat_table(landed: Warehouse, views: Path, core: Path) -> None:
    assert rows_of(run_build(landed, views, core))["flat.patient"] == 3
    assert flat_patients(landed) == {"a/p1": "male", "a/p2": "female", "b/p1": "other"}
    (row,) = landed.rows("SELECT * FROM flat.patient WHERE center_id = 'b'")
    assert list(row) == ["center_id", "run_id", "patient_key", "gender", "birth_text", "owner_number"]
    assert row["run_id"] == 1


def test_only_the_current_version_is_read(landed: Warehouse, views: Path, core: Path) -> None:
    land(landed, unit(a_run(landed), patient("p1", hours=1, gender="female")))
    land(landed, unit(a_run(landed), patient("p1", hours=2, gender="male")))
    land(landed, unit(a_run(landed), patient("p2", hours=-1, gender="other")))
    run_build(landed, views, core)
    assert flat_patients(landed) == {"a/p1": "male", "a/p2": "female", "b/p1": "other"}


def test_building_again_gives_the_same_rows(landed: Warehouse, views: Path, core: Path) -> None:
    assert rows_of(run_build(landed, views, core)) == rows_of(run_build(landed, views, core))
    assert len(flat_patients(landed)) == 3


def test_a_center_that_landed_nothing_gives_empty_tables(
    warehouse: Warehouse, views: Path, core: Path
) -> None:
    assert rows_of(run_build(warehouse, views, core))["flat.patient"] == 0


def test_a_center_that_is_not_configured_is_not_read(landed: Warehouse, views: Path, core: Path) -> None:
    run_build(landed, views, core, centers=[BuildCenter("b", "http://b/fhir", "R5")])
    assert flat_patients(landed) == {"b/p1": "other"}


def test_each_fhir_version_is_read_by_its_view(landed: Warehouse, views: Path, core: Path) -> None:
    (views / "patient.json").unlink()
    write_view(views, "patient.r4", PATIENT_COLUMNS)
    upper = [(name, "'r5'" if name == "gender" else path, kind) for name, path, kind in PATIENT_COLUMNS]
    write_view(views, "patient.r5", upper)
    run_build(landed, views, core)
    assert flat_patients(landed) == {"a/p1": "male", "a/p2": "female", "b/p1": "r5"}


def test_a_center_may_bring_its_own_view(landed: Warehouse, views: Path, core: Path, tmp_path: Path) -> None:
    own = [(name, "'ours'" if name == "gender" else path, kind) for name, path, kind in PATIENT_COLUMNS]
    write_view(tmp_path / "own", "patient", own)
    centers = [
        BuildCenter("a", "http://a/fhir", "R4"),
        BuildCenter("b", "http://b/fhir", "R4", tmp_path / "own"),
    ]
    run_build(landed, views, core, centers=centers)
    assert flat_patients(landed) == {"a/p1": "male", "a/p2": "female", "b/p1": "ours"}


def test_a_view_missing_for_a_version_is_named(landed: Warehouse, views: Path, core: Path) -> None:
    (views / "patient.json").rename(views / "patient.r4.json")
    with pytest.raises(ViewError, match="No view fills patient for FHIR R5, the version of center b"):
        run_build(landed, views, core)


def test_views_of_one_table_must_agree_on_columns(landed: Warehouse, views: Path, core: Path) -> None:
    (views / "patient.json").rename(views / "patient.r4.json")
    write_view(views, "patient.r5", PATIENT_COLUMNS[:2])
    with pytest.raises(ViewError, match="different columns"):
        run_build(landed, views, core)


def test_what_a_view_cannot_read_is_quarantined_and_the_rest_is_built(
    landed: Warehouse, views: Path, core: Path
) -> None:
    families = {"name": [{"family": "Canary"}, {"family": "Finch"}]}
    land(landed, unit(1, patient("p3", **families)))
    write_view(views, "named", [PATIENT_COLUMNS[0], ("family", "name.family", "string")])
    run_build(landed, views, core)
    assert len(flat_patients(landed)) == 4
    (reject,) = landed.rows("SELECT * FROM ops.quarantine WHERE is_open")
    assert (reject["resource_id"], reject["rule"], reject["path"]) == ("p3", "view", "named")
    assert reject["content_hash"] == patient("p3", **families).content_hash
    assert "Canary" not in str(reject)
    land(landed, unit(1, patient("p3", hours=1, name=[{"family": "Canary"}])))
    run_build(landed, views, core)
    assert landed.rows("SELECT * FROM ops.quarantine WHERE is_open") == []


def test_the_gate_s_faults_stay_open_through_a_build(landed: Warehouse, views: Path, core: Path) -> None:
    land(landed, unit(1, quarantined=[refused("p9")]))
    run_build(landed, views, core)
    assert len(landed.rows("SELECT * FROM ops.quarantine WHERE is_open")) == 1


def test_a_build_on_altered_raw_segments_is_refused(landed: Warehouse, views: Path, core: Path) -> None:
    (landed.folder / "raw/a/Patient/run=1/1.parquet").write_bytes(b"other")
    with pytest.raises(WarehouseError, match="altered: raw/a/Patient"):
        run_build(landed, views, core)


def test_the_rules_are_one_row(warehouse: Warehouse, views: Path, core: Path) -> None:
    run_build(warehouse, views, core)
    (row,) = warehouse.rows("SELECT * FROM core.rule")
    assert row == {name: getattr(RULES, name) for name in RULES.__slots__}


def test_core_tables_are_built_in_the_order_of_their_needs(
    landed: Warehouse, views: Path, core: Path
) -> None:
    write_table(
        core, "a", "SELECT * FROM core.patient", COLUMNS, table='"core.last"', needs='["core.patient"]'
    )
    write_table(core, "b", BODY, COLUMNS)
    built = rows_of(run_build(landed, views, core))
    assert list(built.items())[-2:] == [("core.patient", 3), ("core.last", 3)]


def test_titles_and_meanings_are_in_the_database(landed: Warehouse, views: Path, core: Path) -> None:
    write_table(core, "patient", BODY, COLUMNS | {"gender": "The patient's gender."}, title='"Men\'s ward"')
    run_build(landed, views, core)
    (table,) = landed.rows(
        "SELECT comment FROM duckdb_tables() WHERE schema_name = 'core' AND table_name = 'patient'"
    )
    assert table["comment"].startswith("Men's ward. One row: one patient. Key: patient_key.")
    silent = landed.rows(
        "SELECT schema_name, table_name, column_name FROM duckdb_columns() "
        "WHERE database_name = 'work' AND comment IS NULL"
    )
    assert silent == []
    (column,) = landed.rows(
        "SELECT comment FROM duckdb_columns() WHERE schema_name = 'core' AND column_name = 'gender'"
    )
    assert column == {"comment": "The patient's gender."}


@pytest.mark.parametrize(
    ("body", "fields", "message"),
    [
        pytest.param("SELECT 1 AS patient_key, 2 AS x", {}, "selects patient_key, x", id="columns"),
        pytest.param("SELECT gender, patient_key, center_id FROM flat.patient", {}, "describes", id="order"),
        pytest.param(f"{BODY} UNION ALL {BODY}", {}, "empty in 0 rows and repeated in 3", id="repeated key"),
        pytest.param(KEYLESS, {}, "empty in 1 rows and repeated in 0", id="empty key"),
        pytest.param(KEYLESS, {"key": '["center_id", "patient_key"]'}, "empty in 1 rows", id="half a key"),
        pytest.param(BODY, {"key": '["id"]'}, "key: id is no column", id="unknown key"),
        pytest.param(BODY, {"needs": '["flat.none"]'}, "needs flat.none", id="needs"),
        pytest.param("SELECT nope FROM flat.patient", {}, 'Referenced column "nope"', id="binding"),
        pytest.param("SELECT CAST(gender AS INTEGER) AS x FROM flat.patient", {}, "Conversion", id="cast"),
    ],
)
def test_a_file_that_breaks_its_contract_stops_the_build_and_changes_nothing(
    landed: Warehouse, views: Path, core: Path, body: str, fields: dict[str, str], message: str
) -> None:
    run_build(landed, views, core)
    catalog = "SELECT schema_name, table_name, estimated_size FROM duckdb_tables() ORDER BY ALL"
    before = landed.rows(catalog)
    write_table(core, "patient", body, COLUMNS, **fields)
    with pytest.raises(SqlFileError, match=message) as raised:
        run_build(landed, views, core)
    assert "patient.sql" in raised.value.message
    assert "male" not in str(raised.value)
    assert landed.rows(catalog) == before


def test_a_removed_file_leaves_no_table_behind(landed: Warehouse, views: Path, core: Path) -> None:
    path = write_table(core, "patient", BODY, COLUMNS)
    run_build(landed, views, core)
    path.unlink()
    counts = run_build(landed, views, core)
    assert [count.table for count in counts] == ["flat.patient", "ops.unmapped", "core.rule"]
    assert (
        landed.rows("SELECT 1 FROM duckdb_tables() WHERE schema_name = 'core' AND table_name = 'patient'")
        == []
    )


def test_results_of_earlier_runs_survive_a_build(landed: Warehouse, views: Path, core: Path) -> None:
    with landed.transaction() as transaction:
        transaction.insert(
            "outcomes.metric_result", [{"run_id": 1, "metric": "m", "group": "all", "statistic": "count"}]
        )
    run_build(landed, views, core)
    assert len(landed.rows("SELECT * FROM outcomes.metric_result")) == 1


def test_further_files_are_built_on_top(landed: Warehouse, views: Path, core: Path, tmp_path: Path) -> None:
    write_table(core, "patient", BODY, COLUMNS)
    cohort = write_table(
        tmp_path / "cohorts",
        "men",
        "SELECT * FROM core.patient WHERE gender = 'male'",
        COLUMNS,
        table='"outcomes.men"',
        needs='["core.patient"]',
    )
    run_build(landed, views, core)
    with landed.transaction() as transaction:
        built = build_tables(transaction, read_table_files([cohort]))
    assert built == [BuiltTable("outcomes.men", 1, ("first build",))]


def land_coded(warehouse: Warehouse, views: Path) -> None:
    """Patients with codes: a mapped one, an aliased one, an unmapped one and a spelled-out one."""
    columns = [
        ("patient_key", "getResourceKey()", "string"),
        ("element", "'marital'", "string"),
        ("system", "maritalStatus.coding.system", "uri"),
        ("code", "maritalStatus.coding.code", "code"),
        ("display", "maritalStatus.coding.display", "string"),
    ]
    write_view(views, "patient_coding", columns)
    for number, (system, code) in enumerate(
        [
            ("s", "known"),
            ("urn:s", "known"),
            ("s", "odd"),
            ("urn:s", "odd"),
            ("text", "bwk 8"),
            ("text", "?"),
            (None, "x"),
        ]
    ):
        coding = {"system": system, "code": code, "display": f"d{number}"}
        coding = {key: value for key, value in coding.items() if value is not None}
        land(warehouse, unit(1, patient(f"m{number}", maritalStatus={"coding": [coding]})))


def test_codes_in_use_without_a_concept_are_listed_by_use(
    warehouse: Warehouse, views: Path, core: Path
) -> None:
    a_run(warehouse)
    codes = [
        MappedCode("a", "s", "known", "set", "concept", ""),
        MappedCode("b", "s", "odd", "set", "concept", ""),
        MappedCode("a", "text", "BWK8", "level", "T8", ""),
    ]
    land_coded(warehouse, views)
    run_build(warehouse, views, core, code_map=codes, aliases={"urn:s": "s"})
    rows = warehouse.rows(
        "SELECT * EXCLUDE (patients, first_seen_at, last_seen_at) FROM ops.unmapped "
        "ORDER BY resources DESC, system"
    )
    place = {"center_id": "a", "resource_type": "Patient", "element": "marital"}
    assert rows == [
        place | {"system": "s", "code": "odd", "display": "d3", "resources": 2},
        place | {"system": "", "code": "x", "display": "d6", "resources": 1},
        place | {"system": "text", "code": "?", "display": "d5", "resources": 1},
    ]
    assert len(warehouse.rows("SELECT * FROM ops.code_map")) == 3
    run_build(warehouse, views, core, code_map=codes[:1])
    assert len(warehouse.rows("SELECT * FROM ops.code_map")) == 1
    assert warehouse.rows("SELECT * FROM ops.system_alias") == []
