"""CSV for spreadsheets: what would be a formula is a text, what is a number stays one."""

import csv
import datetime as dt
import io
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse.csv_cells import safe_cell, write_csv

# The last four are the full-width forms of the first four.
STARTS = [*"=+-@\t\r\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"]


@pytest.mark.parametrize("start", STARTS)
def test_a_text_that_begins_like_a_formula_is_defused(start: str) -> None:
    assert safe_cell(f"{start}1+1") == f"'{start}1+1".replace("\r", "\n")


@pytest.mark.parametrize(
    "value", [-5, -0.5, Decimal("-7.10"), True, None, dt.date(2020, 1, 2), "24h", "a=b", "a\nb", ""]
)
def test_numbers_dates_and_other_texts_are_as_they_are(value: object) -> None:
    assert safe_cell(value) == value


@given(st.lists(st.one_of(st.text(), st.integers(), st.floats(allow_nan=False)), min_size=2, max_size=4))
def test_no_text_of_any_kind_starts_a_formula_and_every_number_can_be_read_back(row: list[Any]) -> None:
    file = io.StringIO(newline="")
    write_csv(file, [f"c{number}" for number in range(len(row))], [row])
    file.seek(0)
    [_, cells] = list(csv.reader(file))
    for value, cell in zip(row, cells, strict=True):
        if isinstance(value, str):
            text = value.replace("\r\n", "\n").replace("\r", "\n")
            assert cell in (text, f"'{text}")
            assert not cell.startswith(tuple(STARTS))
        else:
            assert type(value)(cell) == value
