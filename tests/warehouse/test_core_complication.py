"""Core: complications by their three routes, merged, linked and graded."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest
from core_testbed import Bed, Row

SESSION = "2020-03-10"
NERVE = ["complication:nerve_injury"]
SUSPECT = {"suspect": ["x-p1"]}


def events(bed: Bed, columns: str) -> list[Row]:
    """Complications, by day and key."""
    return bed.rows(f"SELECT {columns} FROM core.complication ORDER BY occurred_date, complication_key")  # noqa: S608


def reasons(bed: Bed) -> list[str | None]:
    """Why reports were excluded, by key."""
    return bed.column("SELECT exclusion_reason FROM flat.complication_report ORDER BY report_key")


def test_an_adverse_event_of_the_ablation_is_a_complication_of_its_session_and_lesion() -> None:
    bed = Bed()
    bed.treated(day=SESSION)
    codes = {"event": NERVE, "grade": ["cirse_grade:3"], "severity": ["ae_severity:mild"]}
    bed.adverse_event("e1", day="2020-03-11", codes=codes, references=SUSPECT)
    bed.build()
    assert events(bed, "*") == [
        {
            "complication_key": "AdverseEvent/a/e1",
            "center_id": "a",
            "patient_key": "a/p1",
            "session_key": "a/p1/2020-03-10",
            "lesion_key": "a/p1/T8",
            "route": "AdverseEvent",
            "n_reports": 1,
            "occurred_date": date(2020, 3, 11),
            "days_from_session": 1,
            "event_concept": "nerve_injury",
            "scale": "CIRSE",
            "grade": "3",
            "class": "major",
            "rule": "CIRSE: 1-2 minor, 3-6 major",
            "run_id": 1,
            "resource_type": "AdverseEvent",
            "resource_key": "a/e1",
        }
    ]


@pytest.mark.parametrize(
    ("day", "reason"),
    [
        (SESSION, None),
        ("2020-04-09", None),
        ("2020-04-10", "too long after a session"),
        ("2020-03-09", "before the first session"),
        ("2020-03", "no full date"),
        (None, "no full date"),
    ],
)
def test_without_a_suspect_the_thirty_days_after_a_session_decide(
    day: str | None, reason: str | None
) -> None:
    bed = Bed()
    bed.treated(day=SESSION)
    bed.adverse_event("e1", day=day, codes={"event": NERVE})
    bed.condition("c9", codes={"code": NERVE}, onset_text=day)
    bed.build()
    assert reasons(bed) == [reason, reason]
    assert [row["lesion_key"] for row in events(bed, "lesion_key")] == ([] if reason else [None])


@pytest.mark.parametrize("day", ["2020-09-01", SESSION, "2020-03", "2020", None])
def test_a_suspect_links_whatever_the_later_date(day: str | None) -> None:
    bed = Bed()
    bed.treated(day=SESSION)
    bed.adverse_event("e1", day=day, codes={"event": NERVE}, references=SUSPECT)
    bed.build()
    assert [row["session_key"] for row in events(bed, "session_key")] == ["a/p1/2020-03-10"]


def test_an_event_belongs_to_the_latest_session_before_it() -> None:
    bed = Bed()
    bed.treated(day=SESSION)
    bed.cryoablation("x2", "c-p1", day="2020-03-25")
    bed.adverse_event("e1", day="2020-03-24", codes={"event": NERVE})
    bed.adverse_event("e2", day="2020-03-25", codes={"event": ["complication:fracture"]})
    bed.build()
    assert [row["session_key"] for row in events(bed, "session_key")] == [
        "a/p1/2020-03-10",
        "a/p1/2020-03-25",
    ]


def test_a_suspect_that_treats_two_lesions_names_no_lesion() -> None:
    bed = Bed()
    bed.metastasis("c1", "T8")
    bed.metastasis("c2", "L2")
    bed.cryoablation("x-p1", "c1", "c2")
    bed.adverse_event("e1", day="2020-03-11", codes={"event": NERVE}, references=SUSPECT)
    bed.build()
    assert events(bed, "session_key, lesion_key") == [{"session_key": "a/p1/2020-03-10", "lesion_key": None}]


def test_the_cementoplasty_of_a_session_may_be_the_suspect() -> None:
    bed = Bed()
    bed.metastasis("c1", "T8")
    bed.metastasis("c2", "L2")
    bed.cryoablation("x1", "c1", "c2")
    codes = {"code": ["procedure:cementoplasty"], "body_site": ["level:L2"]}
    bed.procedure("x2", codes=codes, references={"part_of": ["x1"]})
    bed.adverse_event("e1", day=SESSION, codes={"event": NERVE}, references={"suspect": ["x2"]})
    bed.build()
    assert events(bed, "lesion_key") == [{"lesion_key": "a/p1/L2"}]


def test_an_event_of_another_procedure_is_not_ours_but_an_unknown_suspect_does_not_hide_one() -> None:
    bed = Bed()
    bed.treated(day=SESSION)
    bed.cryoablation("x9", day=SESSION, codes={"body_site": ["urn:x|kidney"]})
    bed.adverse_event("e1", day="2020-03-11", codes={"event": NERVE}, references={"suspect": ["x9"]})
    bed.adverse_event(
        "e2", day="2020-03-11", codes={"event": NERVE}, references={"suspect": ["never-received"]}
    )
    bed.adverse_event("e3", day="2020-03-11", codes={"event": NERVE}, references={"suspect": ["x9", "x-p1"]})
    bed.build()
    assert reasons(bed) == ["caused by another procedure", None, None]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"actuality": "potential"}, "event is not actual"),
        ({"actuality": None}, "event is not actual"),
        ({"status": "entered-in-error"}, "entered in error"),
        ({"status": "completed"}, None),
        ({"occurred_text": "2021-07-01"}, "after the data lock"),
    ],
)
def test_an_adverse_event_must_be_actual_and_in_time(columns: dict[str, Any], reason: str | None) -> None:
    bed = Bed()
    bed.treated(day=SESSION)
    bed.adverse_event("e1", day="2020-03-11", codes={"event": NERVE}, references=SUSPECT, **columns)
    bed.build()
    assert reasons(bed) == [reason]


def test_the_day_of_an_event_is_when_it_occurred_else_was_detected_else_recorded() -> None:
    bed = Bed()
    bed.treated(day=SESSION)
    all_three: Row = {"detected_text": "2020-03-12", "recorded_text": "2020-03-13"}
    bed.adverse_event("e1", day="2020-03-11", codes={"event": ["urn:x|1"]}, **all_three)
    bed.adverse_event("e2", day=None, codes={"event": ["urn:x|2"]}, **all_three)
    bed.adverse_event("e3", day=None, codes={"event": ["urn:x|3"]}, recorded_text="2020-03-13")
    bed.build()
    assert [row["days_from_session"] for row in events(bed, "days_from_session")] == [1, 2, 3]


def test_an_event_without_a_known_code_takes_the_one_of_its_effect() -> None:
    bed = Bed()
    bed.treated(day=SESSION)
    bed.condition("c9", codes={"code": ["complication:fracture"]})
    bed.adverse_event("e1", day="2020-03-11", codes={"event": ["urn:x|1"]}, references={"effect": ["c9"]})
    bed.build()
    assert [row["event_concept"] for row in events(bed, "event_concept")] == ["fracture"]


def test_a_closer_concept_goes_before_a_generic_complication() -> None:
    bed = Bed()
    bed.treated(day=SESSION)
    bed.adverse_event(
        "e1", day=SESSION, codes={"event": ["complication:procedure_complication", "complication:zoster"]}
    )
    bed.build()
    assert [row["event_concept"] for row in events(bed, "event_concept")] == ["zoster"]


def test_the_three_routes_to_one_event_are_merged_in_their_order() -> None:
    bed = Bed()
    bed.metastasis("c1", "T8")
    noted = {"complication": [*NERVE, "sir_class:B"]}
    bed.cryoablation("x1", "c1", day=SESSION, codes=noted)
    bed.condition("c9", codes={"code": NERVE}, onset_text="2020-03-11")
    bed.adverse_event("e1", day="2020-03-12", codes={"event": NERVE, "severity": ["ae_severity:severe"]})
    bed.build()
    assert events(
        bed, "complication_key, route, n_reports, occurred_date, lesion_key, scale, grade, class"
    ) == [
        {
            "complication_key": "AdverseEvent/a/e1",
            "route": "AdverseEvent",
            "n_reports": 3,
            "occurred_date": date(2020, 3, 12),
            "lesion_key": "a/p1/T8",
            "scale": "SIR",
            "grade": "B",
            "class": "minor",
        }
    ]


@pytest.mark.parametrize(
    ("second_day", "second_code", "count"),
    [
        ("2020-03-14", NERVE, 1),
        ("2020-03-15", NERVE, 2),
        ("2020-03-11", ["complication:fracture"], 2),
    ],
)
def test_reports_within_three_days_of_the_same_event_are_one(
    second_day: str, second_code: Sequence[str], count: int
) -> None:
    bed = Bed()
    bed.treated(day=SESSION)
    bed.adverse_event("e1", day="2020-03-11", codes={"event": NERVE})
    bed.condition("c9", codes={"code": second_code}, onset_text=second_day)
    bed.build()
    assert len(events(bed, "route")) == count


def test_the_same_event_at_two_lesions_is_two_and_one_after_each_session_is_two() -> None:
    bed = Bed()
    bed.treated(level="T8", day=SESSION)
    bed.metastasis("c2", "L2")
    bed.cryoablation("x2", "c2", day=SESSION)
    bed.cryoablation("x3", "c2", day="2020-03-12")
    for name, suspect, day in (("e1", "x-p1", SESSION), ("e2", "x2", SESSION), ("e3", "x3", "2020-03-12")):
        bed.adverse_event(name, day=day, codes={"event": NERVE}, references={"suspect": [suspect]})
    bed.adverse_event("e4", day=SESSION, codes={"event": NERVE})
    bed.build()
    assert events(bed, "lesion_key, session_key") == [
        {"lesion_key": "a/p1/T8", "session_key": "a/p1/2020-03-10"},
        {"lesion_key": "a/p1/L2", "session_key": "a/p1/2020-03-10"},
        {"lesion_key": "a/p1/L2", "session_key": "a/p1/2020-03-12"},
    ]


def test_events_with_different_unknown_codes_are_not_merged() -> None:
    bed = Bed()
    bed.treated(day=SESSION)
    bed.adverse_event("e1", day=SESSION, codes={"event": ["urn:x|1"]})
    bed.adverse_event("e2", day=SESSION, codes={"event": ["urn:x|2"]})
    bed.adverse_event("e3", day=SESSION, codes={"event": ["urn:x|2"]})
    bed.adverse_event("e4", day=SESSION, codes={})
    bed.build()
    assert [row["n_reports"] for row in events(bed, "n_reports")] == [1, 2, 1]


def test_a_complication_noted_on_the_ablation_counts_with_its_condition_or_its_code() -> None:
    bed = Bed()
    bed.metastasis("c1", "T8")
    bed.condition("c9", codes={"code": NERVE}, recorded_text="2020-03-12")
    bed.condition("c8", codes={"code": ["urn:x|refuted"]}, verification_status="refuted")
    bed.cryoablation(
        "x1",
        "c1",
        day=SESSION,
        codes={"complication": ["urn:x|odd"]},
        references={"complication": ["c9", "c8"]},
    )
    bed.build()
    assert events(bed, "route, event_concept, occurred_date, lesion_key") == [
        {
            "route": "Procedure",
            "event_concept": None,
            "occurred_date": date(2020, 3, 10),
            "lesion_key": "a/p1/T8",
        },
        {
            "route": "Procedure",
            "event_concept": "nerve_injury",
            "occurred_date": date(2020, 3, 12),
            "lesion_key": "a/p1/T8",
        },
    ]


def test_complications_of_an_excluded_ablation_do_not_count() -> None:
    bed = Bed()
    bed.treated(day=SESSION)
    bed.cryoablation("x9", day="2019-03-10", codes={"body_site": ["urn:x|kidney"], "complication": NERVE})
    bed.build()
    assert events(bed, "*") == []


def test_a_condition_is_dated_by_its_onset_and_a_refuted_one_is_none() -> None:
    bed = Bed()
    bed.treated(day=SESSION)
    bed.condition("c7", codes={"code": NERVE}, onset_text="2019-01-01", recorded_text="2020-03-11")
    bed.condition("c8", codes={"code": NERVE}, onset_text="2020-03-11", verification_status="refuted")
    bed.condition("c9", codes={"code": ["complication:fracture"]}, recorded_text="2020-03-11")
    bed.build()
    assert [row["event_concept"] for row in events(bed, "event_concept")] == ["fracture"]


@pytest.mark.parametrize(
    ("codes", "scale", "grade", "expected"),
    [
        (["sir_class:A"], "SIR", "A", "minor"),
        (["sir_class:B"], "SIR", "B", "minor"),
        *((([f"sir_class:{letter}"]), "SIR", letter, "major") for letter in "CDEF"),
        (["cirse_grade:1"], "CIRSE", "1", "minor"),
        (["cirse_grade:2"], "CIRSE", "2", "minor"),
        *((([f"cirse_grade:{grade}"]), "CIRSE", grade, "major") for grade in "3456"),
        (["ctcae_grade:1"], "CTCAE", "1", "minor"),
        (["ctcae_grade:2"], "CTCAE", "2", "minor"),
        *((([f"ctcae_grade:{grade}"]), "CTCAE", grade, "major") for grade in "345"),
        (["ae_severity:mild"], "FHIR severity", "mild", "minor"),
        (["ae_severity:moderate"], "FHIR severity", "moderate", "minor"),
        (["ae_severity:severe"], "FHIR severity", "severe", "major"),
        (["ctcae_grade:3", "sir_class:B"], "SIR", "B", "minor"),
        (["ctcae_grade:3", "cirse_grade:2"], "CIRSE", "2", "minor"),
        (["ae_severity:mild", "ctcae_grade:3"], "CTCAE", "3", "major"),
        (["ctcae_grade:1", "ctcae_grade:3"], "CTCAE", "3", "major"),
        (["ae_severity:moderate", "ae_outcome:fatal"], "CTCAE", "5", "major"),
        (["ctcae_grade:2", "ae_outcome:fatal"], "CTCAE", "5", "major"),
        (["sir_class:B", "ae_outcome:fatal"], "SIR", "B", "major"),
        (["cirse_grade:2", "ae_outcome:fatal"], "CIRSE", "2", "major"),
        (["ae_outcome:resolved"], None, None, None),
        ([], None, None, None),
    ],
)
def test_the_class_follows_the_best_scale(
    codes: list[str], scale: str | None, grade: str | None, expected: str | None
) -> None:
    bed = Bed()
    bed.treated(day=SESSION)
    bed.adverse_event("e1", day=SESSION, codes={"event": NERVE, "grade": codes})
    bed.build()
    [row] = events(bed, "scale, grade, class, rule")
    assert (row["scale"], row["grade"], row["class"]) == (scale, grade, expected)
    assert (row["rule"] == "no grade") is (expected is None)
    assert ("fatal outcome" in row["rule"]) is ("ae_outcome:fatal" in codes)


def test_a_fatal_outcome_in_any_report_of_an_event_makes_it_major() -> None:
    bed = Bed()
    bed.treated(day=SESSION, codes={"complication": [*NERVE, "sir_class:B"]})
    codes = {"event": NERVE, "outcome": ["ae_outcome:fatal"]}
    bed.adverse_event("e1", day="2020-03-11", codes=codes)
    bed.build()
    assert events(bed, "n_reports, scale, grade, class, rule") == [
        {
            "n_reports": 2,
            "scale": "SIR",
            "grade": "B",
            "class": "major",
            "rule": "fatal outcome: major whatever the grade",
        }
    ]
