"""What is known of a page: the same answer by query and from memory, whatever was asked before."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.warehouse.landing_examples import a_run, patient, unit
from warehouse.connection import Warehouse
from warehouse.known_content import KnownContent
from warehouse.land import land

IDS = [f"p-{number}.Ä" if number % 7 == 0 else f"p-{number}" for number in range(300)]


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    """Two centers know the same ids, with contents of their own."""
    with Warehouse.open(tmp_path / "data") as opened:
        run_id = a_run(opened)
        for center_id in ("a", "b"):
            versions = [patient(each, name=center_id) for each in IDS]
            land(opened, unit(run_id, *versions, center_id=center_id))
        yield opened


def expected(resource_ids: list[str], center_id: str = "a") -> dict[str, str]:
    return {each: patient(each, name=center_id).content_hash for each in resource_ids if each in IDS}


@pytest.mark.parametrize("pages_by_query", [100, 0], ids=["by query", "from memory"])
@pytest.mark.parametrize("center_id", ["a", "b"])
def test_a_page_is_told_the_hashes_of_what_the_center_has(
    warehouse: Warehouse, pages_by_query: int, center_id: str
) -> None:
    known = KnownContent(warehouse, center_id, pages_by_query=pages_by_query)
    for page in (IDS[:100], IDS[100:], ["p-1", "nobody", "zzz"], ["nobody"], []):
        assert known.hashes("Patient", page) == expected(page, center_id)
    assert known.hashes("Observation", ["p-1"]) == {}


def test_after_many_pages_the_ledger_is_read_once_and_asked_no_more(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = KnownContent(warehouse, "a", pages_by_query=2)
    asked: list[str] = []
    for name in ("rows", "columns"):
        sound = getattr(warehouse, name)
        told = lambda *given, name=name, sound=sound: (asked.append(name), sound(*given))[1]  # noqa: E731
        monkeypatch.setattr(warehouse, name, told)
    for each in IDS:
        assert known.hashes("Patient", [each]) == expected([each])
    assert asked == ["rows", "rows", "columns"]


def test_what_lands_later_is_unknown_until_the_next_sync(warehouse: Warehouse) -> None:
    known = KnownContent(warehouse, "a", pages_by_query=0)
    assert known.hashes("Patient", ["late"]) == {}
    land(warehouse, unit(a_run(warehouse), patient("late")))
    assert known.hashes("Patient", ["late"]) == {}
    again = KnownContent(warehouse, "a", pages_by_query=0)
    assert again.hashes("Patient", ["late"]) == {"late": patient("late").content_hash}
