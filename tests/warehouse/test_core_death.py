"""Core: treatments and events on the wrong side of a death or of the session blamed for them."""

from typing import Any

import pytest
from core_testbed import Bed

SESSION = "2020-03-10"
LATER = "2020-09-10"
DEATH = "2020-03-20"
NERVE = ["complication:nerve_injury"]
SUSPECT = {"suspect": ["x-p1"]}


def treated_bed(deceased: str | None) -> Bed:
    """Patient p1, treated at T8 by 'x-p1' for 'c-p1'."""
    bed = Bed()
    bed.treated(day=SESSION)
    bed.rows_to_insert["flat.patient"] = []
    bed.patient(deceased_text=deceased)
    return bed


def reports(bed: Bed) -> list[str | None]:
    """Why reports were excluded, by key."""
    return bed.column("SELECT exclusion_reason FROM flat.complication_report ORDER BY report_key")


@pytest.mark.parametrize(
    ("deceased", "is_kept"),
    [
        ("2020-03-09", False),
        ("2020-03-09T23:59:00+01:00", False),
        ("2020-02", False),
        ("2019", False),
        (SESSION, True),
        ("2020-03", True),
        ("2020", True),
        ("2021-07-01", True),
        ("soon", True),
        (None, True),
    ],
)
def test_a_treatment_after_death_is_none(deceased: str | None, is_kept: bool) -> None:
    bed = treated_bed(deceased).build()
    reason = None if is_kept else "after death"
    assert bed.column("SELECT exclusion_reason FROM flat.ablation") == [reason]
    assert bed.rows("SELECT kept, excluded, reason FROM core.flow WHERE step = 'in the study window'") == [
        {"kept": int(is_kept), "excluded": int(not is_kept), "reason": reason or ""}
    ]
    assert bed.column("SELECT follow_up_days >= 0 FROM core.patient") == [True] * is_kept


def test_a_treatment_after_death_takes_neither_its_session_nor_its_patient_along() -> None:
    bed = treated_bed(DEATH)
    bed.cryoablation("x2", "c-p1", day="2020-03-21")
    bed.build()
    assert bed.column("SELECT session_key FROM core.session") == ["a/p1/2020-03-10"]
    assert bed.column("SELECT follow_up_days FROM core.patient") == [10]


@pytest.mark.parametrize("day", ["2020-03-09", "2020-02", "2019"])
def test_an_event_before_its_suspect_session_is_no_complication_of_it(day: str) -> None:
    bed = treated_bed(None)
    bed.adverse_event("e1", day=day, codes={"event": NERVE}, references=SUSPECT)
    bed.build()
    assert reports(bed) == ["before its suspect session"]
    assert bed.rows("SELECT * FROM core.complication") == []
    assert bed.rows("SELECT excluded, reason FROM core.flow WHERE step = 'reports of a session'") == [
        {"excluded": 1, "reason": "before its suspect session"}
    ]


def test_a_condition_older_than_the_ablation_that_notes_it_is_no_complication_of_it() -> None:
    bed = Bed()
    bed.condition("c8", codes={"code": ["urn:x|a"]}, onset_text="2019", recorded_text="2020-03-11")
    bed.condition("c9", codes={"code": ["urn:x|b"]}, onset_text="2020", recorded_text="2020-03-11")
    bed.treated(day=SESSION, references={"complication": ["c8", "c9"]})
    bed.build()
    assert reports(bed) == ["before its suspect session", None]


def test_of_two_suspects_the_one_before_the_event_is_blamed() -> None:
    bed = treated_bed(None)
    bed.metastasis("c2", "L2")
    bed.cryoablation("x2", "c2", day=LATER)
    bed.adverse_event("e1", day="2020-03-11", codes={"event": NERVE}, references={"suspect": ["x-p1", "x2"]})
    bed.build()
    assert bed.rows("SELECT session_key, lesion_key FROM core.complication") == [
        {"session_key": "a/p1/2020-03-10", "lesion_key": "a/p1/T8"}
    ]


@pytest.mark.parametrize(
    ("deceased", "day", "reason"),
    [
        (DEATH, DEATH, None),
        (f"{DEATH}T08:00:00+01:00", DEATH, None),
        (DEATH, "2020-03-21", "after death"),
        (DEATH, "2021-07-01", "after death"),
        ("2020-03", "2020-03-31", None),
        ("2020-03", "2020-04-01", "after death"),
        ("2021-07-10", "2021-07-11", "after the data lock"),
    ],
)
def test_an_event_after_death_is_no_complication(deceased: str, day: str, reason: str | None) -> None:
    bed = treated_bed(deceased)
    bed.adverse_event("e1", day=day, codes={"event": NERVE}, references=SUSPECT)
    bed.build()
    assert reports(bed) == [reason]
    assert bed.column("SELECT reason FROM core.flow WHERE step = 'reports of a session'") == [reason or ""]


def test_an_event_linked_by_its_date_must_not_be_after_death_either() -> None:
    bed = treated_bed(DEATH)
    bed.adverse_event("e1", day="2020-03-21", codes={"event": NERVE})
    bed.condition("c9", codes={"code": NERVE}, onset_text="2020-03-21")
    bed.build()
    assert reports(bed) == ["after death", "after death"]


@pytest.mark.parametrize("element", ["detected_text", "recorded_text"])
def test_an_event_may_be_detected_or_recorded_after_death(element: str) -> None:
    bed = treated_bed(DEATH)
    columns: dict[str, Any] = {element: "2020-03-21"}
    bed.adverse_event("e1", day=None, codes={"event": NERVE}, references=SUSPECT, **columns)
    bed.condition("c9", codes={"code": ["complication:fracture"]}, recorded_text="2020-03-21")
    bed.build()
    assert reports(bed) == [None, None]
