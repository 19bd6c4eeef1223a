"""docs/reliability.md names exactly the rows and tests that exist."""

from tests.faults.reliability import PAGE, Proof, marked, page, rows, told


def test_every_row_has_a_test_and_every_test_a_row() -> None:
    assert {row for row, _, _ in marked()} == set(rows())


def test_the_page_names_every_test_of_every_row() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert told(text) == marked(), "run `pytest -m 'row and not soak' --reliability=docs/reliability.md`"


def test_the_page_counts_the_faults_of_every_run_of_a_test() -> None:
    text = page([Proof(7, "test_x.py", "test_y", 2), Proof(7, "test_x.py", "test_y", 3)])
    assert told(text) == {(7, "test_x.py", "test_y")}
    assert "| `test_x.py::test_y` | 5 |" in text
