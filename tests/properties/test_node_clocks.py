"""Nodes of one server whose clocks differ: a correction may bear an earlier instant than what it corrects."""

import datetime as dt

import pytest

from tests.properties.made_resources import made
from tests.properties.model_store import Habits
from tests.properties.model_study import model_study

SCORE = ("Observation", "score")


@pytest.mark.row(24)
@pytest.mark.parametrize("ahead", [dt.timedelta(seconds=2), dt.timedelta(days=3)], ids=["2 s", "3 days"])
def test_a_correction_by_a_node_whose_clock_is_behind_lands(ahead: dt.timedelta) -> None:
    with model_study({"a": Habits()}, overlap=dt.timedelta(hours=24)) as study:
        side = study.sides["a"]
        for resource_type in ("Patient", "Procedure"):
            side.store.put(made(resource_type, "p1", "p1", 1, "R4"))
        side.store.put(made(*SCORE, "p1", 2, "R4"), node_ahead=ahead)
        study.sync(side)
        side.store.put(made(*SCORE, "p1", 3, "R4"))
        study.sync(side)  # asserts that what it calls complete is held as the server has it
        assert side.heads[SCORE] == side.store.current[SCORE].content_hash
        study.converge()


@pytest.mark.row(61)
def test_a_resource_born_again_lands_although_its_number_is_lower() -> None:
    with model_study({"a": Habits()}, overlap=dt.timedelta(hours=24)) as study:
        side = study.sides["a"]
        for resource_type in ("Patient", "Procedure"):
            side.store.put(made(resource_type, "p1", "p1", 1, "R4"))
        for number in (2, 3, 4):
            side.store.put(made(*SCORE, "p1", number, "R4"))
        study.sync(side)
        study.world.wait(dt.timedelta(hours=1))
        side.store.delete(SCORE)
        side.store.put(made(*SCORE, "p1", 5, "R4"))
        study.sync(side)
        assert side.store.current[SCORE].number == 1
        assert side.heads[SCORE] == side.store.current[SCORE].content_hash
        study.converge()
