"""What reaches analysts is listed by hand: a new column of a release is a decision, not an accident."""

import csv
import io
import re
from pathlib import Path

from docs.making.tables import data_dictionary

LIST = Path(__file__).parent / "fixtures" / "published-columns.txt"
ROWS = list(csv.DictReader(io.StringIO(data_dictionary()["csv"])))
# Names of what identifies a person directly, as 45 CFR 164.514(b)(2) lists it.
IDENTIFIERS = re.compile(
    r"name|birth|address|city|zip|postal|phone|telecom|email|mrn|ssn|identifier|url|photo|device|_text$|_id$"
)
OURS = {"center_id", "run_id", "check_name"}
# Dates of the protocol and of our own runs, none of a patient.
NOT_OF_PATIENTS = ("core.rule.", "ops.")


def test_only_the_columns_of_the_list_are_published() -> None:
    published = [f"{row['table']}.{row['column']}" for row in ROWS]
    listed = LIST.read_text(encoding="utf-8").split()
    assert sorted(published) == sorted(listed), (
        "a column came or went: if analysts are to see it, list it in published-columns.txt"
    )


def test_no_listed_column_is_named_like_an_identifier_and_none_holds_a_date_of_a_patient() -> None:
    for row in ROWS:
        column = f"{row['table']}.{row['column']}"
        assert row["column"] in OURS or not IDENTIFIERS.search(row["column"]), column
        if not column.startswith(NOT_OF_PATIENTS):
            assert row["type"] not in {"DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"}, column


def test_every_published_table_and_column_says_what_it_means() -> None:
    page = data_dictionary()["md"]
    for row in ROWS:
        assert row["meaning"], f"{row['table']}.{row['column']}"
        assert re.search(rf"(?m)^## {re.escape(row['table'])}\n\n\S", page), row["table"]
