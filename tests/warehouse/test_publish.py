"""Publishing: nothing private leaves, joins still work, readers see the old release or the new one."""

import json
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from build_examples import KEYS, PATIENT_COLUMNS, build_input, release_of, write_table, write_view
from landing_examples import NOON, a_run, patient, refused, unit

from mappings.errors import ConfigError, NothingPublishedError, QueryError, SqlFileError, WarehouseError
from warehouse.build import build
from warehouse.connection import Warehouse
from warehouse.land import land
from warehouse.manifest import verify_manifest
from warehouse.mart import open_mart, open_release
from warehouse.names import with_names
from warehouse.publish import (
    Release,
    current_release,
    publish,
    require_known_keys,
    roll_back,
    unpublished_run,
)
from warehouse.releases import kept_releases
from warehouse.runs import finish_run

# Planted wherever the private warehouse can hold them; none may be found in a release.
CANARIES = ("canary-patient", "CanaryFamily", "1961-02-03", "2019-04-05", "2019-05-06", "Canary free text")

PATIENT_BODY = """SELECT
    center_id,
    patient_key,
    run_id,
    gender AS sex,
    CAST(birth_text AS DATE) AS birth_date,
    CAST('2019-04-05' AS DATE) AS index_date,
    CAST(nullif('2019-05-06', birth_text) AS DATE) AS death_date,
    CAST('2019-05-06 10:11:12' AS TIMESTAMP) AS scored_at
FROM flat.patient"""
PATIENT = {
    "center_id": "Center.",
    "patient_key": "Key.",
    "run_id": "Run.",
    "sex": "It's as sent.",
    "birth_date": "Birth.",
    "index_date": "Index day.",
    "death_date": "Death.",
    "scored_at": "Score.",
}
SESSION_BODY = """SELECT
    center_id,
    patient_key,
    patient_key || '/2019-05-06' AS session_key,
    CAST(NULL AS VARCHAR) AS next_session_key,
    CAST('2019-05-06' AS DATE) AS session_date
FROM core.patient"""
SESSION = {
    "center_id": "Center.",
    "patient_key": "Key.",
    "session_key": "Key.",
    "next_session_key": "Key.",
    "session_date": "Day.",
}


def build_core(warehouse: Warehouse, folder: Path) -> None:
    write_view(folder / "views", "patient", PATIENT_COLUMNS)
    core = folder / "core"
    write_table(core, "patient", PATIENT_BODY, PATIENT)
    session = {"table": '"core.session"', "needs": '["core.patient"]', "key": '["session_key"]'}
    write_table(core, "session", SESSION_BODY, SESSION, **session)
    with warehouse.transaction() as transaction:
        build(transaction, build_input(1, folder / "views", core), folder=warehouse.folder)


@pytest.fixture
def built(warehouse: Warehouse, tmp_path: Path) -> Warehouse:
    run_id = a_run(warehouse)
    planted: dict[str, Any] = {
        "gender": "female",
        "birthDate": "1961-02-03",
        "name": [{"family": "CanaryFamily"}],
    }
    for center_id in KEYS:
        land(
            warehouse,
            unit(
                run_id,
                patient("canary-patient", **planted),
                patient("canary-patient-2", birthDate="1950-01-01"),
                center_id=center_id,
                quarantined=[refused("canary-patient-3")],
                members=["canary-patient"],
            ),
        )
    build_core(warehouse, tmp_path)
    with warehouse.transaction() as transaction:
        transaction.insert(
            "ops.unmapped",
            [
                {
                    "center_id": "a",
                    "resource_type": "Procedure",
                    "element": "body_site",
                    "system": "text",
                    "code": "Canary free text",
                    "display": "Canary free text",
                    "resources": 1,
                }
            ],
        )
    finish_run(warehouse, run_id, status="complete", now=NOON, message="Canary free text")
    return warehouse


@pytest.fixture
def release(built: Warehouse) -> Release:
    return publish(built, release_of(1))


def every_value(release: Release) -> Iterator[str]:
    with open_release(release.path / "mart.duckdb") as mart:
        for table in release.tables:
            for row in mart.rows(with_names("SELECT * FROM {table}", table=table)):
                yield from (str(value) for value in row.values())


def test_no_key_date_or_text_of_a_patient_is_in_a_release(release: Release) -> None:
    values = list(every_value(release))
    assert "female" in values
    for canary in CANARIES:
        assert not [value for value in values if canary in value]
    for path in release.path.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [canary for canary in CANARIES if canary.encode() in content], path


def test_the_canaries_are_in_the_private_warehouse(built: Warehouse) -> None:
    """Else the test above could not fail."""
    private = [
        str(value)
        for table in ("flat.patient", "core.patient", "core.session", "ops.unmapped", "ops.run")
        for row in built.rows(with_names("SELECT * FROM {table}", table=table))
        for value in row.values()
    ]
    raw = str([pq.read_table(path).to_pylist() for path in (built.folder / "raw").rglob("*.parquet")])
    assert [canary for canary in CANARIES if canary not in str(private) + raw] == []


def test_only_named_tables_and_columns_leave(release: Release) -> None:
    assert set(release.tables) == {
        "core.patient", "core.rule", "core.session", "outcomes.curve_result", "outcomes.metric_result",
        "ops.run", "ops.center_sync", "ops.check_result", "ops.unmapped", "ops.code_coverage",
    }  # fmt: skip
    with open_release(release.path / "mart.duckdb") as mart:
        patient_row = mart.rows("SELECT * FROM core.patient")[0]
        assert list(patient_row) == ["center_id", "patient_key", "sex", "index_month", "death_day"]
        assert "message" not in mart.rows("SELECT * FROM ops.run")[0]
        assert mart.rows("SELECT * FROM ops.unmapped") == [
            {
                "center_id": "a",
                "resource_type": "Procedure",
                "element": "body_site",
                "system": "text",
                "resources": 1,
            }
        ]


def test_dates_are_days_from_the_patient_s_index_day(release: Release) -> None:
    with open_release(release.path / "mart.duckdb") as mart:
        assert mart.query("SELECT DISTINCT index_month, death_day FROM core.patient") == (
            ["index_month", "death_day"],
            [("2019-04", 31)],
        )
        assert mart.query("SELECT DISTINCT session_day FROM core.session")[1] == [(31,)]


def test_pseudonyms_join_and_missing_keys_stay_missing(release: Release) -> None:
    with open_release(release.path / "mart.duckdb") as mart:
        joined = mart.rows(
            "SELECT count(*) AS n, count(DISTINCT patient.patient_key) AS patients, "
            "count(next_session_key) AS missing FROM core.session AS session "
            "INNER JOIN core.patient AS patient USING (center_id, patient_key)"
        )
        assert joined == [{"n": 4, "patients": 4, "missing": 0}]
        (row,) = mart.rows("SELECT DISTINCT length(patient_key) AS n FROM core.patient")
        assert row == {"n": 32}


def test_pseudonyms_stay_the_same_from_release_to_release(built: Warehouse, release: Release) -> None:
    again = publish(built, release_of(1))
    query = "SELECT patient_key FROM core.patient ORDER BY ALL"
    with (
        open_release(release.path / "mart.duckdb") as first,
        open_release(again.path / "mart.duckdb") as second,
    ):
        assert first.rows(query) == second.rows(query)


def test_the_batches_in_which_pseudonyms_are_made_change_nothing(
    built: Warehouse, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warehouse.pseudonym_lookup._BATCH", 1)
    again = publish(built, release_of(1))
    assert sorted(every_value(again)) == sorted(every_value(release))


def test_every_one_of_many_keys_has_a_pseudonym(warehouse: Warehouse) -> None:
    patients = 300_000
    with warehouse.transaction() as transaction:
        transaction.execute(
            "CREATE TABLE core.patient AS SELECT 'a' AS center_id, concat('a/', n) AS patient_key "
            "FROM range(?) AS made (n)",
            [patients],
        )
    release = publish(warehouse, release_of(a_run(warehouse)))
    with open_release(release.path / "mart.duckdb") as mart:
        (counted,) = mart.rows("SELECT count(*) AS n, count(DISTINCT patient_key) AS keys FROM core.patient")
    assert counted == {"n": patients, "keys": patients}


def test_parquet_holds_the_same_rows(release: Release) -> None:
    with open_release(release.path / "mart.duckdb") as mart:
        for table, rows in release.tables.items():
            file = release.path / "parquet" / f"{table.replace('.', '/')}.parquet"
            read = duckdb.connect().execute("SELECT * FROM read_parquet(?)", [str(file)]).fetchall()
            assert len(read) == rows
            assert sorted(map(str, read)) == sorted(
                map(str, mart.query(with_names("SELECT * FROM {table}", table=table))[1])
            )


def test_meanings_travel_with_the_mart(release: Release) -> None:
    with open_release(release.path / "mart.duckdb") as mart:
        meanings = {
            row["column_name"]: row["comment"]
            for row in mart.rows(
                "SELECT column_name, comment FROM duckdb_columns() "
                "WHERE schema_name = 'core' AND table_name = 'patient'"
            )
        }
        (table,) = mart.rows(
            "SELECT comment FROM duckdb_tables() WHERE schema_name = 'core' AND table_name = 'patient'"
        )
    assert meanings["sex"] == "It's as sent."
    assert meanings["death_day"] == "Death. Days from the patient's index date."
    assert table == {
        "comment": "Patients. One row: one patient. Key: patient_key.\n\nEvery patient.\n\nSource: a test."
    }


def test_a_release_is_read_only_complete_and_open_to_readers(release: Release) -> None:
    modes = {
        str(p.relative_to(release.path)): stat.S_IMODE(p.stat().st_mode) for p in release.path.rglob("*")
    }
    assert {modes["mart.duckdb"], modes["manifest.json"], modes["parquet/core/patient.parquet"]} == {0o444}
    assert modes["parquet"] == modes["parquet/core"] == 0o755
    assert [name for name in modes if name.endswith(".wal")] == []
    marts = release.path.parent.parent
    assert {stat.S_IMODE(place.stat().st_mode) for place in (release.path, release.path.parent, marts)} == {
        0o755
    }
    assert sorted(path.name for path in marts.iterdir()) == ["current", "releases"]


def test_the_mart_has_a_format_that_older_clients_read(release: Release) -> None:
    connection = duckdb.connect(str(release.path / "mart.duckdb"), read_only=True)
    (tags,) = connection.execute(
        "SELECT tags FROM duckdb_databases() WHERE database_name = 'mart'"
    ).fetchone() or (None,)
    assert tags is not None
    assert tags["storage_version"].startswith("v1.5.0")


def test_the_manifest_says_what_is_in_the_release(built: Warehouse) -> None:
    release = publish(built, release_of(1, facts={"version": "0.1.0"}))
    manifest = json.loads((release.path / "manifest.json").read_text())
    assert manifest["tables"] == release.tables
    assert (manifest["release"], manifest["run_id"], manifest["project"]) == (release.number, 1, "study")
    assert manifest["published_at"] == NOON.isoformat()
    assert manifest["facts"] == {"version": "0.1.0"}
    assert set(manifest["content"]) == set(release.tables)
    assert set(manifest["sha256"]) == {"mart.duckdb", *(f"dictionary.{e}" for e in ("md", "html", "csv"))} | {
        f"parquet/{table.replace('.', '/')}.parquet" for table in release.tables
    }
    assert set(manifest["key_fingerprints"]) == {"a", "b"}


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda folder: (folder / "dictionary.md").write_text("x"), r"dictionary\.md was changed"),
        (lambda folder: (folder / "mart.duckdb").unlink(), r"mart\.duckdb is missing"),
        (lambda folder: (folder / "more.csv").touch(), r"more\.csv was put in"),
        (lambda folder: (folder / "manifest.json").write_text("{"), r"manifest\.json is missing or cannot"),
    ],
)
def test_a_release_that_was_touched_does_not_verify(
    built: Warehouse, release: Release, tmp_path: Path, spoil: Callable[[Path], object], told: str
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(release.path, copy)
    for path in [copy, *copy.rglob("*")]:
        path.chmod(0o700)
    assert verify_manifest(copy)["release"] == 1
    spoil(copy)
    with pytest.raises(WarehouseError, match=told):
        verify_manifest(copy)


def test_equal_rows_have_equal_content_hashes_and_others_have_not(built: Warehouse, release: Release) -> None:
    again = publish(built, release_of(1))
    first, second = (verify_manifest(each.path)["content"] for each in (release, again))
    assert first == second
    with built.transaction() as transaction:
        transaction.execute("UPDATE core.patient SET sex = 'male' WHERE birth_date = DATE '1950-01-01'")
    changed = verify_manifest(publish(built, release_of(1)).path)["content"]
    assert [table for table in first if first[table] != changed[table]] == ["core.patient"]


def test_readers_can_be_sent_back_to_an_older_release(built: Warehouse, release: Release) -> None:
    with built.transaction() as transaction:
        transaction.execute("DELETE FROM core.session")
    publish(built, release_of(1))
    roll_back(built, 1, NOON)
    assert current_release(built.folder) == release.path
    with open_mart(built.folder) as mart:
        assert mart.rows("SELECT count(*) AS n FROM core.session") == [{"n": 4}]
    [noted] = built.rows("SELECT subject, details FROM ops.audit WHERE action = 'rollback'")
    assert (noted["subject"], json.loads(noted["details"])) == ("release 1", {"from": 2, "to": 1})
    assert publish(built, release_of(1)).number == 3
    assert current_release(built.folder).name == "3"


def test_only_a_kept_and_whole_release_is_rolled_back_to(built: Warehouse, release: Release) -> None:
    second = publish(built, release_of(1))
    with pytest.raises(NothingPublishedError, match="Release 9 is not kept"):
        roll_back(built, 9, NOON)
    (release.path / "manifest.json").unlink()
    with pytest.raises(WarehouseError, match="is not what was published"):
        roll_back(built, 1, NOON)
    assert current_release(built.folder) == second.path


def test_a_changed_key_is_noticed_until_it_is_accepted(built: Warehouse, release: Release) -> None:
    other = release_of(1, keys=KEYS | {"b": b"c" * 32})
    require_known_keys(built, release_of(1), ())
    with pytest.raises(ConfigError, match="is not that of release 1: center b") as refused:
        require_known_keys(built, other, ())
    assert "--accept-key b`" in refused.value.next_step
    require_known_keys(built, other, {"b"})
    publish(built, other)
    require_known_keys(built, other, ())
    require_known_keys(built, release_of(1, keys=other.keys | {"d": b"d" * 32}), ())


@pytest.mark.row(73)
def test_a_reader_keeps_its_release_while_the_next_is_published(built: Warehouse, release: Release) -> None:
    with open_mart(built.folder) as reader:
        with built.transaction() as transaction:
            transaction.execute("DELETE FROM core.session")
        second = publish(built, release_of(1))
        assert reader.rows("SELECT count(*) AS n FROM core.session") == [{"n": 4}]
        with open_mart(built.folder) as later:
            assert later.rows("SELECT count(*) AS n FROM core.session") == [{"n": 0}]
    assert current_release(built.folder) == second.path != release.path


@pytest.mark.row(73)
def test_a_reader_s_own_connection_to_current_is_no_obstacle(built: Warehouse, release: Release) -> None:
    current = str(built.folder / "marts" / "current" / "mart.duckdb")
    with duckdb.connect(current, read_only=True) as outside:
        publish(built, release_of(1))
        assert outside.execute("SELECT count(*) FROM core.patient").fetchone() == (4,)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_text('/etc/hostname')",
        "COPY core.patient TO '/tmp/leak.csv'",
        "ATTACH '/tmp/other.duckdb'",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "INSTALL httpfs",
        "DELETE FROM core.patient",
        "CREATE TABLE core.mine (x INTEGER)",
    ],
)
def test_a_reader_can_only_read_the_mart(built: Warehouse, release: Release, statement: str) -> None:
    with open_mart(built.folder) as mart:
        with pytest.raises(QueryError):
            mart.query(statement)
        with pytest.raises(WarehouseError):
            mart.rows(statement)


def test_nothing_published_is_said_so(warehouse: Warehouse) -> None:
    for look in (current_release, open_mart):
        with pytest.raises(NothingPublishedError, match="marts/current"):
            look(warehouse.folder)
    with pytest.raises(NothingPublishedError, match=r"none\.duckdb"):
        open_release(warehouse.folder / "none.duckdb")


def test_the_newest_releases_are_kept_and_never_the_current_one_deleted(built: Warehouse) -> None:
    for _ in range(5):
        publish(built, release_of(1))
    releases = built.folder / "marts" / "releases"
    assert sorted(int(path.name) for path in releases.iterdir()) == [3, 4, 5]
    assert [row["release"] for row in built.rows("SELECT release FROM ops.release ORDER BY release")] == [
        1,
        2,
        3,
        4,
        5,
    ]
    (built.folder / "marts" / "current").unlink()
    (built.folder / "marts" / "current").symlink_to("releases/3")
    publish(built, release_of(1))
    assert current_release(built.folder).name == "6"


def test_keeping_fewer_than_three_is_refused(built: Warehouse) -> None:
    with pytest.raises(ConfigError, match="At least 3"):
        publish(built, release_of(1, keep=2))


def test_a_failed_publication_leaves_the_current_release_and_the_warehouse_usable(
    built: Warehouse, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="no pseudonymization key"):
        publish(built, release_of(1, keys={"a": KEYS["a"]}))
    monkeypatch.setattr("warehouse.release_tables.STORAGE_VERSION", "v9.9.9")
    with pytest.raises(WarehouseError):
        publish(built, release_of(1))
    monkeypatch.undo()
    with built.transaction() as transaction:
        transaction.execute("CREATE TABLE core.odd AS SELECT sum(x) AS total FROM range(3) AS r(x)")
    with pytest.raises(SqlFileError, match=r"core\.odd cannot be published because of total"):
        publish(built, release_of(1))
    assert current_release(built.folder) == release.path
    with built.transaction() as transaction:
        transaction.execute("DROP TABLE core.odd")
    assert publish(built, release_of(1)).number == 2


@pytest.mark.row(68)
def test_an_interrupted_release_is_neither_seen_nor_reused(built: Warehouse, release: Release) -> None:
    marts = built.folder / "marts"
    (marts / "releases" / "2").mkdir()
    (marts / ".staging-3").mkdir()
    (marts / ".staging-3" / "mart.duckdb").write_bytes(b"half")
    assert current_release(built.folder) == release.path
    assert publish(built, release_of(1)).number == 3


@pytest.mark.row(68)
def test_a_release_whose_deletion_was_interrupted_is_no_release_and_is_swept(
    built: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        publish(built, release_of(1))

    def killed(folder: Path) -> None:
        (folder / "mart.duckdb").unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            publish(built, release_of(1))
    assert kept_releases(built.folder) == [2, 3, 4]
    publish(built, release_of(1))
    assert {path.name for path in (built.folder / "marts").iterdir()} == {"current", "releases"}


@pytest.mark.row(68)
def test_a_complete_refresh_without_a_release_is_found(built: Warehouse) -> None:
    assert unpublished_run(built) is None, "a sync publishes nothing"
    run_id = a_run(built, "refresh")
    assert unpublished_run(built) is None
    finish_run(built, run_id, status="complete", now=NOON)
    assert unpublished_run(built) == run_id
    publish(built, release_of(run_id))
    assert unpublished_run(built) is None
