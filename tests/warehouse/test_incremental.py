"""Builds change what has changed: flat tables by key, core tables by what they read; always as if anew."""

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from build_examples import PATIENT_COLUMNS, RULES, write_table, write_view
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from incremental_bed import (
    CONCEPTS,
    GENDERS,
    KEY,
    KNOWN,
    MANAGED,
    TWO_FAMILIES,
    A,
    B,
    IncrementalBed,
    a_patient,
    coded,
    write_core,
    write_views,
)
from landing_examples import a_run

from mappings.errors import SqlFileError, ViewError, WarehouseError
from warehouse.connection import Warehouse

ALL_FLAT = {f"flat.{name}" for name in ("keyless", "managed", "named", "patient", "patient_coding")}


@pytest.fixture
def empty(warehouse: Warehouse, tmp_path: Path) -> IncrementalBed:
    a_run(warehouse)
    return IncrementalBed(warehouse, write_views(tmp_path / "views"), write_core(tmp_path / "core"))


@pytest.fixture
def bed(empty: IncrementalBed) -> Iterator[IncrementalBed]:
    """Two patients of a, one of b, built; at the end everything is as if built anew."""
    empty.land(a_patient(1, gender="male", **coded("x", "y"), **MANAGED), a_patient(2, gender="female"))
    empty.land(a_patient(1, gender="other", **coded("x")), center_id="b")
    empty.build()
    yield empty
    empty.build()
    empty.assert_equal_to_scratch()


def genders(bed: IncrementalBed) -> dict[str, str | None]:
    return {row["patient_key"]: row["gender"] for row in bed.rows("flat.patient")}


def open_faults(bed: IncrementalBed) -> list[str]:
    found = bed.warehouse.rows("SELECT center_id, resource_id, path FROM ops.quarantine WHERE is_open")
    return sorted("/".join(row.values()) for row in found)


# --- flat tables ------------------------------------------------------------------------------------------


def test_nothing_new_changes_nothing(bed: IncrementalBed) -> None:
    before = bed.changed_in("patient")
    assert bed.flat() == {}
    assert bed.changed_in("patient") == before


def test_only_the_tables_and_centers_that_have_other_rows_are_changed(bed: IncrementalBed) -> None:
    before = bed.changed_in("patient")
    bed.land(a_patient(2, hours=1, gender="male"), a_patient(3, gender="male"))
    reasons = bed.flat()
    assert reasons.pop("flat.keyless") == ("changed resources, and a view without getResourceKey() (a)",)
    # Neither patient has a coding, before or now.
    assert reasons == dict.fromkeys(
        ALL_FLAT - {"flat.keyless", "flat.patient_coding"}, ("2 new or changed (a)",)
    )
    assert genders(bed) == {"a/p1": "male", "a/p2": "male", "a/p3": "male", "b/p1": "other"}
    after = bed.changed_in("patient")
    assert after["a"] > before["a"]
    assert after["b"] == before["b"]


def test_all_rows_of_a_changed_resource_are_replaced(bed: IncrementalBed) -> None:
    assert len(bed.rows("flat.patient_coding")) == 3
    bed.land(a_patient(1, hours=1, gender="male", **coded("z")))
    bed.flat()
    assert [row["code"] for row in bed.rows("flat.patient_coding")] == ["z", "x"]


def test_a_resource_of_the_same_id_at_another_center_keeps_its_rows(bed: IncrementalBed) -> None:
    bed.land(a_patient(1, hours=1, gender="female"), center_id="b")
    bed.flat()
    assert genders(bed) == {"a/p1": "male", "a/p2": "female", "b/p1": "female"}


def test_content_that_changes_and_changes_back_carries_the_later_run(bed: IncrementalBed) -> None:
    bed.land(a_patient(2, hours=1, gender="male"))
    bed.land(a_patient(2, hours=2, gender="female"))
    bed.flat()
    (row,) = [row for row in bed.rows("flat.patient") if row["patient_key"] == "a/p2"]
    assert (row["gender"], row["run_id"]) == ("female", bed.run_id)


def test_only_the_segments_of_what_changed_are_read(bed: IncrementalBed) -> None:
    """An older segment of the same center is made unreadable: only a view that needs it all notices."""
    (bed.views / "keyless.json").unlink()
    bed.flat()
    (older,) = bed.warehouse.rows("SELECT DISTINCT path FROM ops.head WHERE center_id = 'a'")
    file = bed.warehouse.folder / older["path"]
    good = file.read_bytes()
    file.write_bytes(b"no Parquet")
    bed.land(a_patient(3, gender="male"))
    assert bed.flat()["flat.patient"] == ("1 new or changed (a)",)
    write_view(bed.views, "named", PATIENT_COLUMNS)
    with pytest.raises(WarehouseError, match="altered: raw/a/Patient"):
        bed.flat()
    file.write_bytes(good)


def test_a_refresh_verifies_every_segment_although_it_reads_none(bed: IncrementalBed) -> None:
    (older,) = bed.warehouse.rows("SELECT DISTINCT path FROM ops.head WHERE center_id = 'b'")
    file = bed.warehouse.folder / older["path"]
    good = file.read_bytes()
    file.unlink()
    with pytest.raises(WarehouseError, match="missing or were altered: raw/b/Patient"):
        bed.build()
    file.write_bytes(good)


def test_a_segment_the_ledger_does_not_list_is_never_read(bed: IncrementalBed) -> None:
    bed.land(a_patient(3, gender="male"))
    with bed.warehouse.transaction() as transaction:
        transaction.execute("CREATE TABLE ops.aside AS FROM ops.segment")
        transaction.execute("DELETE FROM ops.segment")
    with pytest.raises(WarehouseError, match="missing or were altered"):
        bed.flat()
    with bed.warehouse.transaction() as transaction:
        transaction.execute("INSERT INTO ops.segment FROM ops.aside")
        transaction.execute("DROP TABLE ops.aside")


def test_a_resource_without_a_current_version_vanishes(bed: IncrementalBed) -> None:
    bed.lose("p1")
    assert bed.flat()["flat.patient"] == ("1 gone (a)",)
    assert genders(bed) == {"a/p2": "female", "b/p1": "other"}
    assert [row["center_id"] for row in bed.rows("flat.patient_coding")] == ["b"]


def test_a_resource_that_comes_back_is_read_again(bed: IncrementalBed) -> None:
    with bed.warehouse.transaction() as transaction:
        transaction.execute("CREATE TABLE ops.aside AS SELECT * FROM ops.head WHERE center_id = 'b'")
    bed.lose("p1", "b")
    bed.flat()
    with bed.warehouse.transaction() as transaction:
        transaction.execute("INSERT INTO ops.head FROM ops.aside")
        transaction.execute("DROP TABLE ops.aside")
    bed.flat()
    assert genders(bed) == {"a/p1": "male", "a/p2": "female", "b/p1": "other"}


def test_a_changed_view_fills_its_table_again_and_no_other(bed: IncrementalBed) -> None:
    write_view(
        bed.views, "patient", [*PATIENT_COLUMNS[:1], ("gender", "'unknown'", "code"), PATIENT_COLUMNS[2]]
    )
    assert bed.flat() == {"flat.patient": ("view changed (a, b)",)}
    assert set(genders(bed).values()) == {"unknown"}


def test_a_view_changed_for_one_center_fills_that_center_s_part_alone(
    bed: IncrementalBed, tmp_path: Path
) -> None:
    before = bed.changed_in("patient")
    changed = [PATIENT_COLUMNS[0], ("gender", "'ours'", "code"), PATIENT_COLUMNS[2]]
    write_view(tmp_path / "own", "patient", changed)
    bed.centers = (A, dataclasses.replace(B, views_folder=tmp_path / "own"))
    assert bed.flat() == {"flat.patient": ("view changed (b)",)}
    after = bed.changed_in("patient")
    assert after["a"] == before["a"]
    assert after["b"] > before["b"]
    assert genders(bed) == {"a/p1": "male", "a/p2": "female", "b/p1": "ours"}


def test_a_view_with_other_columns_makes_the_table_anew(bed: IncrementalBed) -> None:
    write_view(bed.views, "patient", [*PATIENT_COLUMNS, ("is_active", "active", "boolean")])
    assert bed.flat() == {"flat.patient": ("view changed (a, b)",)}
    assert "is_active" in bed.rows("flat.patient")[0]


def test_a_changed_view_and_changed_resources_at_once(bed: IncrementalBed) -> None:
    bed.land(a_patient(2, hours=1, gender="male"), a_patient(3, gender="other"))
    bed.lose("p1")
    write_view(bed.views, "patient", [*PATIENT_COLUMNS, ("is_active", "active", "boolean")])
    assert bed.flat()["flat.patient"] == ("view changed (a, b)",)
    assert genders(bed) == {"a/p2": "male", "a/p3": "other", "b/p1": "other"}


def test_another_base_url_fills_again_what_resolves_references(bed: IncrementalBed) -> None:
    keys = [row["organization_key"] for row in bed.rows("flat.managed")]
    assert keys == ["a/o1", None, None]
    bed.centers = (dataclasses.replace(A, base_url="http://elsewhere/fhir"), B)
    assert bed.flat() == {"flat.managed": ("base URL changed (a)",)}
    assert [row["organization_key"] for row in bed.rows("flat.managed")] == [None] * 3


def test_a_removed_view_takes_its_table_and_its_faults_along(bed: IncrementalBed) -> None:
    bed.land(a_patient(3, **TWO_FAMILIES))
    bed.flat()
    assert open_faults(bed) == ["a/p3/named"]
    (bed.views / "named.json").unlink()
    assert bed.flat() == {}
    assert open_faults(bed) == []
    assert "flat.named" not in bed.state("flat")
    write_views(bed.views)
    assert bed.flat() == {"flat.named": ("first build (a, b)",)}
    assert open_faults(bed) == ["a/p3/named"]


def test_a_center_no_longer_configured_leaves_and_may_come_back(bed: IncrementalBed) -> None:
    bed.land(a_patient(3, **TWO_FAMILIES), center_id="b")
    bed.flat()
    bed.centers = (A,)
    assert bed.flat() == dict.fromkeys(ALL_FLAT, ("no longer configured (b)",))
    assert genders(bed) == {"a/p1": "male", "a/p2": "female"}
    assert open_faults(bed) == []
    bed.centers = (A, B)
    assert bed.flat() == dict.fromkeys(ALL_FLAT, ("first build (b)",))
    assert len(genders(bed)) == 4
    assert open_faults(bed) == ["b/p3/named"]


def test_a_fault_of_a_view_stays_open_until_its_resource_is_good(bed: IncrementalBed) -> None:
    bed.land(a_patient(3, **TWO_FAMILIES), a_patient(4, **TWO_FAMILIES))
    bed.flat()
    bed.land(a_patient(1, hours=1, gender="other"))
    bed.flat()
    assert open_faults(bed) == ["a/p3/named", "a/p4/named"]
    bed.land(a_patient(3, hours=1, gender="other", **TWO_FAMILIES), a_patient(4, hours=1))
    bed.flat()
    assert open_faults(bed) == ["a/p3/named"]
    bed.land(a_patient(3, hours=2))
    bed.flat()
    assert open_faults(bed) == []


def test_a_fault_of_a_view_closes_with_its_resource(bed: IncrementalBed) -> None:
    bed.land(a_patient(3, **TWO_FAMILIES))
    bed.flat()
    bed.lose("p3")
    bed.flat()
    assert open_faults(bed) == []


def test_a_fault_of_a_view_closes_when_the_view_is_mended(bed: IncrementalBed) -> None:
    bed.land(a_patient(3, **TWO_FAMILIES))
    bed.flat()
    write_view(bed.views, "named", [KEY, ("family", "name.first().family", "string")])
    bed.flat()
    assert open_faults(bed) == []


def test_a_flat_table_that_somebody_dropped_is_made_again(bed: IncrementalBed) -> None:
    with bed.warehouse.transaction() as transaction:
        transaction.execute("DROP TABLE flat.patient")
    assert bed.flat() == {"flat.patient": ("first build (a, b)",)}


def test_a_view_that_fails_leaves_rows_and_ledger_as_they_were(bed: IncrementalBed) -> None:
    bed.land(a_patient(2, hours=1, gender="male"))
    before = bed.state("flat"), bed.rows("ops.flat_head"), bed.rows("ops.flat_fill")
    write_view(bed.views, "patient", [KEY, ("gender", "gendre", "code"), PATIENT_COLUMNS[2]])
    with pytest.raises(ViewError):
        bed.flat()
    assert (bed.state("flat"), bed.rows("ops.flat_head"), bed.rows("ops.flat_fill")) == before
    write_views(bed.views)
    assert bed.flat()["flat.patient"] == ("1 new or changed (a)",)


_KILLED = """
import os, signal, sys
sys.path[:0] = [{tests!r}]
from pathlib import Path
from incremental_bed import IncrementalBed
from warehouse.connection import Warehouse
with Warehouse.open(Path({folder!r})) as warehouse, warehouse.transaction() as transaction:
    bed = IncrementalBed(warehouse, Path({views!r}), Path({core!r}))
    built = bed.build_flat(transaction)
    assert any(table.reasons for table in built)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_killed_between_leaves_the_old_state_and_the_next_mends_it(tmp_path: Path) -> None:
    views, core = write_views(tmp_path / "views"), write_core(tmp_path / "core")
    with Warehouse.open(tmp_path / "data") as warehouse:
        a_run(warehouse)
        bed = IncrementalBed(warehouse, views, core)
        bed.land(a_patient(1, gender="male"), a_patient(2, gender="female"))
        bed.build()
        bed.land(a_patient(2, hours=1, gender="male"), a_patient(3, **TWO_FAMILIES))
        before = bed.state("flat"), bed.rows("ops.flat_head"), bed.rows("ops.flat_fill")
    script = _KILLED.format(
        tests=str(Path(__file__).parent), folder=str(tmp_path / "data"), views=str(views), core=str(core)
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    ended = subprocess.run([sys.executable, "-c", script], check=False, env=environment, timeout=120)
    assert ended.returncode == -signal.SIGKILL
    with Warehouse.open(tmp_path / "data") as warehouse:
        bed = dataclasses.replace(bed, warehouse=warehouse)
        assert (bed.state("flat"), bed.rows("ops.flat_head"), bed.rows("ops.flat_fill")) == before
        assert bed.flat()["flat.patient"] == ("2 new or changed (a)",)
        bed.build()
        bed.assert_equal_to_scratch()


# --- core tables ------------------------------------------------------------------------------------------


def mark(bed: IncrementalBed) -> None:
    """A row that no build makes, in every core table: it tells a kept table from one built again."""
    with bed.warehouse.transaction() as transaction:
        transaction.execute("INSERT INTO core.gender VALUES ('mark', 0)")
        transaction.execute("INSERT INTO core.meant VALUES ('mark', '')")
        transaction.execute("INSERT INTO core.last VALUES ('mark', '')")


def kept(bed: IncrementalBed) -> set[str]:
    """The core tables that still hold the mark; it is taken away."""
    marked = {
        table
        for table, key in (("gender", "gender"), ("meant", "patient_key"), ("last", "patient_key"))
        if any(row[key] == "mark" for row in bed.rows(f"core.{table}"))
    }
    with bed.warehouse.transaction() as transaction:
        transaction.execute("DELETE FROM core.gender WHERE gender = 'mark'")
        transaction.execute("DELETE FROM core.meant WHERE patient_key = 'mark'")
        transaction.execute("DELETE FROM core.last WHERE patient_key = 'mark'")
    return marked


def test_a_build_after_no_change_keeps_every_table(bed: IncrementalBed) -> None:
    mark(bed)
    assert bed.build() == {}
    assert kept(bed) == {"gender", "meant", "last"}


def test_changed_rows_build_what_reads_them_also_through_other_tables(bed: IncrementalBed) -> None:
    mark(bed)
    bed.land(a_patient(1, hours=1, gender="male", **MANAGED, **coded("x")))
    reasons = bed.build()
    assert reasons["core.gender"] == ("flat.patient changed",)
    assert reasons["core.meant"] == reasons["core.last"] == ("flat.patient_coding changed",)
    assert kept(bed) == set()


def test_rows_changed_by_a_sync_are_noticed_by_the_next_build(bed: IncrementalBed) -> None:
    mark(bed)
    bed.land(a_patient(3, gender="male"))
    bed.flat()
    assert bed.build()["core.gender"] == ("flat.patient changed",)
    assert kept(bed) == {"meant", "last"}


def test_a_changed_code_list_builds_what_depends_on_it_alone(bed: IncrementalBed) -> None:
    mark(bed)
    bed.codes = (KNOWN, dataclasses.replace(KNOWN, code="y"))
    why = ("codes of center a changed",)
    assert bed.build() == {"core.meant": why, "core.last": why, "ops.unmapped": why}
    assert kept(bed) == {"gender"}
    assert len(bed.rows("core.last")) == 1


def test_changed_aliases_and_rules_are_named(bed: IncrementalBed) -> None:
    bed.more = {"aliases": {"urn:s": "s"}}
    assert bed.build() == {"ops.unmapped": ("system aliases changed",)}
    bed.more |= {"rules": dataclasses.replace(RULES, complication_days=31)}
    assert bed.build() == {"core.rule": ("study rules changed",)}


def test_a_changed_file_builds_its_table_and_what_reads_it(bed: IncrementalBed) -> None:
    mark(bed)
    file = bed.core / "meant.sql"
    file.write_text(file.read_text().replace("What is meant.", "The concept."))
    assert bed.build() == {"core.meant": ("meant.sql changed",), "core.last": ("meant.sql changed",)}
    assert kept(bed) == {"gender"}


@pytest.mark.parametrize("table", ["core.gender", "core.meant", "core.last"])
def test_a_table_without_proof_or_rows_is_built(bed: IncrementalBed, table: str) -> None:
    with bed.warehouse.transaction() as transaction:
        transaction.execute("DELETE FROM ops.built_from WHERE table_name = ?", [table])
    assert bed.build()[table] == ("first build",)
    with bed.warehouse.transaction() as transaction:
        transaction.execute(f"DROP TABLE {table}")
    assert bed.build()[table] == ("first build",)


def test_another_duckdb_builds_every_file_s_table(
    bed: IncrementalBed, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as other:
        other.setattr("duckdb.__version__", "0.0.0")
        reasons = bed.build()
    assert reasons["core.gender"] == ("DuckDB changed", "flat.patient changed")
    assert reasons["flat.patient"] == ("view changed (a, b)",)


def test_a_table_that_reads_what_has_no_fingerprint_is_built_every_time(bed: IncrementalBed) -> None:
    body = "SELECT kind AS gender, count(*) AS patients FROM ops.run GROUP BY kind"
    fields = {"table": '"core.runs"', "key": '["gender"]', "needs": '["ops.run"]'}
    write_table(bed.core, "runs", body, GENDERS, **fields)
    assert bed.build() == {"core.runs": ("first build",)}
    assert bed.build() == {"core.runs": ("ops.run changed",)}
    (bed.core / "runs.sql").unlink()
    assert bed.build() == {}


def test_a_file_may_read_only_what_it_names(bed: IncrementalBed) -> None:
    body = "FROM core.meant WHERE patient_key IN (SELECT patient_key FROM flat.named)"
    fields: dict[str, Any] = {"table": '"core.last"', "key": '["patient_key", "concept"]'}
    write_table(bed.core, "last", body, CONCEPTS, **fields, needs='["core.meant"]')
    with pytest.raises(SqlFileError, match=r"last.sql reads flat.named, which its header does not name"):
        bed.build()
    write_core(bed.core)


def test_a_file_may_not_make_the_table_of_a_view(bed: IncrementalBed) -> None:
    path = write_table(
        bed.core, "named", "FROM core.meant", CONCEPTS, table='"flat.named"', needs='["core.meant"]'
    )
    with pytest.raises(SqlFileError, match=r"named.sql makes flat.named, which a view fills"):
        bed.build()
    path.unlink()


# --- any sequence -----------------------------------------------------------------------------------------

_CONTENT = st.fixed_dictionaries(
    {"gender": st.sampled_from(["male", "female"])},
    optional={
        "maritalStatus": st.lists(st.sampled_from("xyz"), max_size=3).map(
            lambda c: coded(*c)["maritalStatus"]
        ),
        "name": st.sampled_from([[{"family": "Canary"}], TWO_FAMILIES["name"]]),
        "managingOrganization": st.just(MANAGED["managingOrganization"]),
    },
)
_STEP = st.one_of(
    st.tuples(st.just("land"), st.sampled_from("ab"), st.integers(1, 4), _CONTENT),
    st.tuples(st.just("lose"), st.sampled_from("ab"), st.integers(1, 4)),
    st.tuples(st.sampled_from(["flat", "build"])),
    st.tuples(st.just("centers"), st.sampled_from([(A,), (A, B), (B,)])),
    st.tuples(st.just("codes"), st.sampled_from([(), (KNOWN,), (dataclasses.replace(KNOWN, code="y"),)])),
    st.tuples(st.just("view"), st.sampled_from(["gender", "'g'"])),
)


def take(bed: IncrementalBed, hours: int, step: tuple[Any, ...]) -> None:
    match step:
        case ("land", center_id, number, content):
            bed.land(a_patient(number, hours=hours, **content), center_id=center_id)
        case ("lose", center_id, number):
            if any(
                (row["center_id"], row["resource_id"]) == (center_id, f"p{number}")
                for row in bed.rows("ops.head")
            ):
                bed.lose(f"p{number}", center_id)
        case ("centers", centers):
            bed.centers = centers
        case ("codes", codes):
            bed.codes = codes
        case ("view", path):
            write_view(bed.views, "patient", [KEY, ("gender", path, "code"), PATIENT_COLUMNS[2]])
        case (name,):
            getattr(bed, name)()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(_STEP, min_size=1, max_size=12))
def test_after_any_sequence_the_warehouse_is_as_if_built_anew(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Any, ...]]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    with Warehouse.open(folder / "data", threads=1, memory_limit="500MB") as warehouse:
        a_run(warehouse)
        bed = IncrementalBed(warehouse, write_views(folder / "views"), write_core(folder / "core"))
        for hours, step in enumerate(steps):
            take(bed, hours, step)
        bed.build()
        bed.assert_equal_to_scratch()
