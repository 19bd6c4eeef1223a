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


def both(*links: Link) -> Bed:
    """One treatment, metastasis and score filed under each of two patients."""
    bed = Bed()
    for name, day, level in (("p1", "2020-03-01", "T8"), ("p2", "2020-06-01", "T9")):
        bed.treated(name, day=day, level=level)
        bed.score(f"nrs-{name}", 4.0, day, patient=name)
    for link in links:
        bed.link(*link)
    return bed.build()


@pytest.mark.row(64)
def test_what_is_filed_under_a_replaced_patient_counts_for_the_survivor() -> None:
    bed = both(("p1", "replaced-by", "p2"))
    (patient,) = bed.rows("SELECT patient_key, n_sessions, index_date FROM core.patient")
    assert (patient["patient_key"], patient["n_sessions"]) == ("a/p2", 2)
    assert str(patient["index_date"]) == "2020-03-01"
    for table in ("session", "treatment", "lesion", "pain_score", "followup"):
        assert set(bed.column(f"SELECT patient_key FROM core.{table}")) == {"a/p2"}, table  # noqa: S608
    assert sorted(bed.column("SELECT pain_score_key FROM core.pain_score")) == ["a/nrs-p1", "a/nrs-p2"]


@pytest.mark.row(64)
def test_an_undone_merge_makes_two_patients_again() -> None:
    bed = both()
    assert bed.column("SELECT patient_key FROM core.patient ORDER BY ALL") == ["a/p1", "a/p2"]
    assert set(bed.column("SELECT n_sessions FROM core.patient")) == {1}


@pytest.mark.row(64)
@pytest.mark.parametrize(
    "links",
    [
        [("p1", "replaced-by", "p2"), ("p2", "replaced-by", "p1")],
        [("p1", "replaced-by", "p2"), ("p1", "replaced-by", "p3")],
    ],
)
def test_links_that_contradict_each_other_move_nothing(links: list[Link]) -> None:
    bed = both(*links)
    assert bed.column("SELECT patient_key FROM core.patient ORDER BY ALL") == ["a/p1", "a/p2"]


@pytest.mark.row(64)
def test_a_replaced_patient_whose_survivor_is_not_on_file_counts_and_is_found() -> None:
    bed = both(("p1", "replaced-by", "p3"))
    assert bed.column("SELECT patient_key FROM core.patient ORDER BY ALL") == ["a/p1", "a/p2"]
    query = "SELECT link.patient_key FROM core.patient_link AS link JOIN core.patient USING (patient_key)"
    assert bed.column(query) == ["a/p1"]
