"""The data dictionary: every table and column of a release, in three formats from one text."""

import csv
import io

from warehouse.dictionary import DescribedTable, dictionary

TABLES = [
    DescribedTable("core.first", "First things.\n\nBoth <ends> included.", [("key", "VARCHAR", "Key.")]),
    DescribedTable("core.second", "Second.", [("score", "DOUBLE", "0 | 10,\nboth included.")]),
]


def test_markdown_has_a_section_a_table_and_a_row_a_column() -> None:
    assert dictionary(TABLES)["md"] == (
        "# Data dictionary\n\n## core.first\n\nFirst things.\n\nBoth <ends> included.\n\n"
        "| Column | Type | Meaning |\n| --- | --- | --- |\n| `key` | VARCHAR | Key. |\n\n"
        "## core.second\n\nSecond.\n\n| Column | Type | Meaning |\n| --- | --- | --- |\n"
        "| `score` | DOUBLE | 0 \\| 10, both included. |\n"
    )


def test_html_links_every_table_and_escapes_what_it_says() -> None:
    page = dictionary(TABLES)["html"]
    for table in TABLES:
        assert f'href="#{table.name}"' in page
        assert f'id="{table.name}"' in page
    assert "Both &lt;ends&gt; included." in page
    assert "<ends>" not in page
    assert "http" not in page


def test_csv_has_a_line_a_column() -> None:
    rows = list(csv.reader(io.StringIO(dictionary(TABLES)["csv"])))
    assert rows == [
        ["table", "column", "type", "meaning"],
        ["core.first", "key", "VARCHAR", "Key."],
        ["core.second", "score", "DOUBLE", "0 | 10,\nboth included."],
    ]
