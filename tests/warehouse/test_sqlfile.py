"""SQL files: the header is read strictly, the body is one SELECT, and needs give the order."""

from pathlib import Path

import pytest
from build_examples import write_table

from mappings.errors import SqlFileError
from warehouse.sqlfile import CheckHeader, TableHeader, in_order, read_header, read_sql_file, read_sql_folder

COLUMNS = {"patient_key": "Key."}
BODY = "SELECT patient_key\nFROM flat.patient"


def test_a_file_is_split_into_header_and_body(tmp_path: Path) -> None:
    path = write_table(tmp_path, "patient", BODY, COLUMNS, definition='"""\n-- Two\n-- lines.\n-- """')
    file = read_sql_file(path, TableHeader)
    assert (file.name, file.body) == ("patient.sql", BODY)
    assert file.header.table == "core.patient"
    assert file.header.definition == "Two\nlines.\n"
    assert file.header.columns == COLUMNS


def test_comments_below_the_header_belong_to_the_body(tmp_path: Path) -> None:
    path = write_table(tmp_path, "patient", "SELECT\n    -- why\n    1 AS patient_key", COLUMNS)
    assert "-- why" in read_sql_file(path, TableHeader).body


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"key": "[]"}, "key"),
        ({"key": '"patient_key"'}, "key"),
        ({"table": '"ops.run"'}, "table"),
        ({"table": '"core.Patient"'}, "table"),
        ({"title": '""'}, "title"),
        ({"titel": '"Patients"'}, "titel"),
    ],
)
def test_a_wrong_field_is_named_with_its_file(tmp_path: Path, fields: dict[str, str], named: str) -> None:
    path = write_table(tmp_path, "patient", BODY, COLUMNS, **fields)
    with pytest.raises(SqlFileError, match=rf"patient\.sql is wrong: {named}"):
        read_sql_file(path, TableHeader)


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    path = tmp_path / "empty.sql"
    path.write_text('-- table = "core.x"\nSELECT 1 AS x\n')
    with pytest.raises(SqlFileError, match="grain: Field required"):
        read_sql_file(path, TableHeader)


def test_a_header_that_is_not_toml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.sql"
    path.write_text("-- this is prose\nSELECT 1 AS x\n")
    with pytest.raises(SqlFileError, match=r"broken\.sql is not TOML"):
        read_header(path)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "SELECT 1 AS x;",
        "SELECT 1 AS x; SELECT 2 AS y",
        "DROP TABLE core.patient",
        "COPY (SELECT 1 AS x) TO 'x.csv'",
        "SELEC 1",
    ],
)
def test_a_body_that_is_not_one_select_is_refused(tmp_path: Path, body: str) -> None:
    path = write_table(tmp_path, "patient", body, COLUMNS)
    with pytest.raises(SqlFileError, match=r"patient\.sql is"):
        read_sql_file(path, TableHeader)


CHECK = """-- check = "no_orphans"
-- title = "No orphans"
-- category = "{category}"
-- severity = "{severity}"
-- threshold = {threshold}
-- denominator = "SELECT count(*) FROM core.patient"
-- advice = "Look."
SELECT 1 AS x
"""


@pytest.mark.parametrize(
    "wrong", [{"category": "beauty"}, {"severity": "bad"}, {"threshold": "1.5"}, {"threshold": '"low"'}]
)
def test_a_check_header_is_read_strictly(tmp_path: Path, wrong: dict[str, str]) -> None:
    path = tmp_path / "check.sql"
    good = {"category": "conformance", "severity": "fatal", "threshold": "0.05"}
    path.write_text(CHECK.format(**good))
    assert read_sql_file(path, CheckHeader).header.threshold == 0.05
    path.write_text(CHECK.format(**(good | wrong)))
    with pytest.raises(SqlFileError, match=next(iter(wrong))):
        read_sql_file(path, CheckHeader)


def test_files_are_discovered_and_ordered_by_their_needs(tmp_path: Path) -> None:
    for name, needs in [("a", ["core.c"]), ("b", ["core.a", "flat.x"]), ("c", ["flat.x"])]:
        write_table(tmp_path, name, BODY, COLUMNS, table=f'"core.{name}"', needs=str(needs))
    (tmp_path / "notes.md").write_text("not SQL")
    files = read_sql_folder(tmp_path, TableHeader)
    assert [file.name for file in files] == ["a.sql", "b.sql", "c.sql"]
    assert [file.header.table for file in in_order(files)] == ["core.c", "core.a", "core.b"]


def test_a_circle_of_needs_is_named(tmp_path: Path) -> None:
    write_table(tmp_path, "a", BODY, COLUMNS, table='"core.a"', needs='["core.b"]')
    write_table(tmp_path, "b", BODY, COLUMNS, table='"core.b"', needs='["core.a"]')
    with pytest.raises(SqlFileError, match=r"core\.\w needs core\.\w needs core\.\w"):
        in_order(read_sql_folder(tmp_path, TableHeader))


def test_two_files_cannot_make_one_table(tmp_path: Path) -> None:
    write_table(tmp_path, "a", BODY, COLUMNS)
    write_table(tmp_path, "b", BODY, COLUMNS)
    with pytest.raises(SqlFileError, match=r"a\.sql and b\.sql both make core\.patient"):
        in_order(read_sql_folder(tmp_path, TableHeader))
