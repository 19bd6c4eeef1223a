"""The data dictionary."""

from pathlib import Path

from build_examples import write_table

from warehouse.dictionary import data_dictionary
from warehouse.sqlfile import TableHeader, read_sql_folder


def test_every_table_and_column_is_described(tmp_path: Path) -> None:
    body = "SELECT patient_key, score FROM flat.patient"
    columns = {"patient_key": "Key.", "score": "0 | 10,\nboth included."}
    write_table(tmp_path, "z", body, columns)
    write_table(tmp_path, "y", body, columns, table='"core.first"', title='"First things"')
    assert data_dictionary(read_sql_folder(tmp_path, TableHeader)).startswith(
        "# Data dictionary\n\n## core.first\n\n"
        "**First things.** One row: one patient. Key: `patient_key`.\n\n"
        "Every patient.\n\nSource: a test. Made from `flat.patient`.\n\n"
        "| Column | Meaning |\n| --- | --- |\n| `patient_key` | Key. |\n"
        "| `score` | 0 \\| 10, both included. |\n\n## core.patient\n"
    )
