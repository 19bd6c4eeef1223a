"""Core: merged patients, followed to the one that stands for them now."""

import pytest
from core_testbed import Bed

Link = tuple[str, str, str]


def merged(*links: Link) -> dict[str, tuple[str | None, str | None]]:
    """Survivor and problem of each replaced patient, by id."""
    bed = Bed()
    for patient, link_type, other in links:
        bed.link(patient, link_type, other)
    return {
        row["patient_key"].removeprefix("a/"): (
            row["survivor_patient_key"] and row["survivor_patient_key"].removeprefix("a/"),
            row["problem"],
        )
        for row in bed.build().rows("SELECT * FROM core.patient_link")
    }


@pytest.mark.row(64)
@pytest.mark.parametrize(
    "links",
    [
        [("old", "replaced-by", "new")],
        [("new", "replaces", "old")],
        [("old", "replaced-by", "new"), ("new", "replaces", "old")],
    ],
)
def test_a_merge_is_read_from_either_side_once(links: list[Link]) -> None:
    assert merged(*links) == {"old": ("new", None)}


@pytest.mark.row(64)
def test_merges_are_followed_to_the_last_survivor() -> None:
    chain = [("p1", "replaced-by", "p2"), ("p3", "replaces", "p2"), ("p3", "replaced-by", "p4")]
    assert merged(*chain) == {"p1": ("p4", None), "p2": ("p4", None), "p3": ("p4", None)}


@pytest.mark.row(64)
def test_a_cycle_has_no_survivor_and_ends() -> None:
    cycle = [("p1", "replaced-by", "p2"), ("p2", "replaced-by", "p3"), ("p3", "replaced-by", "p1")]
    assert merged(*cycle) == dict.fromkeys(["p1", "p2", "p3"], (None, "cycle"))
    assert merged(("p1", "replaced-by", "p1")) == {"p1": (None, "cycle")}


@pytest.mark.row(64)
def test_two_survivors_contradict_each_other() -> None:
    assert merged(("p1", "replaced-by", "p2"), ("p1", "replaced-by", "p3")) == {
        "p1": (None, "several survivors")
    }


@pytest.mark.parametrize("link_type", ["seealso", "refer"])
def test_other_links_are_no_merge(link_type: str) -> None:
    assert merged(("p1", link_type, "p2")) == {}


@pytest.mark.row(64)
def test_a_replaced_patient_that_still_counts_is_found() -> None:
    bed = Bed()
    bed.treated("p1")
    bed.treated("p2")
    bed.link("p1", "replaced-by", "p2")
    bed.link("p3", "replaced-by", "p2")  # nothing of its own any more
    bed.build()
    query = "SELECT link.patient_key FROM core.patient_link AS link JOIN core.patient USING (patient_key)"
    assert bed.column(query) == ["a/p1"]
