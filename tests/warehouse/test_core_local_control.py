"""Core: disease statuses and the lesions they are about."""

from datetime import date
from typing import Any

import pytest
from core_testbed import Bed, Row

DAY = "2020-09-10"


def assessed(bed: Bed) -> list[Row]:
    """The assessments, as far as most tests look at them."""
    return bed.rows("SELECT lesion_key, status, exclusion_reason, link FROM core.local_control ORDER BY ALL")


def test_an_assessment_is_dated_from_the_lesions_own_first_treatment() -> None:
    bed = Bed()
    bed.treated(level="T8", day="2019-03-10")
    bed.metastasis("c2", "L2")
    bed.cryoablation("x2", "c2", day="2020-03-10")
    bed.assessment("o1", "controlled", "2020-04-09T23:30:00-06:00", focus=["Condition/c2"])
    bed.build()
    [row] = bed.rows("SELECT * FROM core.local_control")
    assert row == {
        "local_control_key": "a/o1>a/p1/L2",
        "observation_key": "a/o1",
        "center_id": "a",
        "patient_key": "a/p1",
        "run_id": 1,
        "lesion_key": "a/p1/L2",
        "assessed_date": date(2020, 4, 9),
        "days_from_treatment": 30,
        "months_from_treatment": pytest.approx(30 / 30.4375),
        "status": "controlled",
        "is_usable": True,
        "exclusion_reason": None,
        "link": "focus_condition",
        "resource_type": "Observation",
        "resource_key": "a/o1",
    }


def test_a_focus_leads_to_the_lesion_through_condition_or_body_structure() -> None:
    bed = Bed()
    bed.treated(level="T8")
    bed.metastasis("c2", "T8")
    bed.body_structure("b1", "T8")
    bed.body_structure("b2", condition="c-p1")
    for name, focus in (("o1", "Condition/c2"), ("o2", "BodyStructure/b1"), ("o3", "BodyStructure/b2")):
        bed.assessment(name, "controlled", DAY, focus=[focus])
    bed.assessment("o4", "controlled", DAY, body_structure_key="a/b1")
    bed.assessment("o5", "controlled", DAY, body_site=["level:T8"])
    bed.build()
    assert bed.column("SELECT DISTINCT lesion_key FROM core.local_control") == ["a/p1/T8"]
    assert bed.column("SELECT link FROM core.local_control ORDER BY observation_key") == [
        "focus_condition",
        "focus_body_structure",
        "focus_body_structure",
        "body_structure",
        "body_site",
    ]


def test_a_condition_without_a_level_leads_to_the_lesion_it_was_the_reason_for() -> None:
    bed = Bed()
    bed.metastasis("c1")
    bed.cryoablation("x1", "c1", codes={"body_site": ["level:T8"]})
    bed.assessment("o1", "progression", DAY, focus=["Condition/c1"])
    bed.build()
    assert [row["lesion_key"] for row in assessed(bed)] == ["a/p1/T8"]


def test_a_condition_for_several_lesions_is_no_lesion_focus() -> None:
    bed = Bed()
    bed.metastasis("c1")
    bed.cryoablation("x1", "c1", codes={"body_site": ["level:T8", "level:L2"]})
    bed.assessment("o1", "progression", DAY, focus=["Condition/c1"])
    bed.build()
    assert assessed(bed) == [
        {
            "lesion_key": None,
            "status": "progression",
            "exclusion_reason": "focus is not one treated lesion",
            "link": None,
        }
    ]


def test_a_focus_on_two_lesions_assesses_both() -> None:
    bed = Bed()
    bed.treated(level="T8")
    bed.metastasis("c2", "L2")
    bed.cryoablation("x2", "c2")
    bed.assessment("o1", "controlled", DAY, focus=["Condition/c-p1", "Condition/c2"])
    bed.build()
    assert [row["lesion_key"] for row in assessed(bed)] == ["a/p1/L2", "a/p1/T8"]


@pytest.mark.parametrize(
    ("columns", "lesion", "reason"),
    [
        ({}, None, "no lesion focus"),
        ({"focus": ["Condition/primary"]}, None, "focus is not one treated lesion"),
        ({"focus": ["Condition/untreated"]}, None, "focus is not one treated lesion"),
        ({"focus": ["Condition/refuted"]}, None, "focus is not one treated lesion"),
        ({"focus": ["Condition/elsewhere"]}, None, "focus is not one treated lesion"),
        ({"focus": ["Condition/primary"], "body_site": ["level:T8"]}, "a/p1/T8", None),
        ({"body_site": ["level:T9"]}, None, "no lesion focus"),
        ({"body_site": ["region:thoracic"]}, None, "no lesion focus"),
        ({"focus": ["Condition/c-p1"], "body_site": ["level:T9"]}, "a/p1/T8", None),
    ],
)
def test_a_status_of_the_whole_disease_is_never_counted(
    columns: dict[str, Any], lesion: str | None, reason: str | None
) -> None:
    bed = Bed()
    bed.treated(level="T8")
    bed.condition("primary", codes={"code": ["primary:breast"]})
    bed.metastasis("untreated", "L2")
    bed.metastasis("refuted", "T8", verification_status="refuted")
    bed.metastasis("elsewhere", "T8", patient="p2")
    bed.assessment("o1", "controlled", DAY, **columns)
    bed.build()
    [row] = assessed(bed)
    assert (row["lesion_key"], row["exclusion_reason"]) == (lesion, reason)


@pytest.mark.parametrize(
    ("value", "day", "status", "reason"),
    [
        ("controlled", DAY, "final", None),
        ("progression", DAY, "amended", None),
        ("controlled", DAY, "corrected", None),
        ("controlled", "2020-03-11", "final", None),
        ("controlled", "2020-03-10", "final", "not after the first treatment"),
        ("controlled", "2020-03-09", "final", "not after the first treatment"),
        ("not_assessed", DAY, "final", "not assessed"),
        ("distant", DAY, "final", "distant disease, not local"),
        ("controlled", "2020-09", "final", "partial date"),
        ("controlled", None, "final", "no date"),
        ("controlled", DAY, "entered-in-error", "status entered-in-error"),
        ("controlled", DAY, None, "status missing"),
        ("controlled", "2021-06-30", "final", None),
        ("controlled", "2021-07-01", "final", "after the data lock"),
    ],
)
def test_an_assessment_is_judged(value: str, day: str | None, status: str | None, reason: str | None) -> None:
    bed = Bed()
    bed.treated(day="2020-03-10")
    bed.assessment("o1", value, day, focus=["Condition/c-p1"], status=status)
    bed.build()
    assert bed.rows("SELECT is_usable, exclusion_reason FROM core.local_control") == [
        {"is_usable": reason is None, "exclusion_reason": reason}
    ]


def test_an_assessment_after_death_does_not_count() -> None:
    bed = Bed()
    bed.metastasis("c1", "T8")
    bed.cryoablation("x1", "c1")
    bed.patient(deceased_text="2020-05-10")
    bed.assessment("o1", "controlled", "2020-05-10", focus=["Condition/c1"])
    bed.assessment("o2", "controlled", "2020-05-11", focus=["Condition/c1"])
    bed.build()
    assert bed.column("SELECT exclusion_reason FROM core.local_control ORDER BY 1 NULLS FIRST") == [
        None,
        "after death",
    ]


def test_of_several_values_progression_goes_first_and_unknown_values_mean_nothing() -> None:
    bed = Bed()
    bed.treated()
    codes = {"code": ["disease_status:disease_status"]}
    both = ["disease_status_value:controlled", "disease_status_value:progression"]
    bed.observation("o1", day=DAY, codes=codes | {"value": both, "body_site": ["level:T8"]})
    bed.observation("o2", day=DAY, codes=codes | {"value": ["urn:x|odd"], "body_site": ["level:T8"]})
    bed.build()
    assert bed.rows("SELECT status, exclusion_reason FROM core.local_control ORDER BY observation_key") == [
        {"status": "progression", "exclusion_reason": None},
        {"status": None, "exclusion_reason": "value means no status"},
    ]


def test_a_retreatment_does_not_restart_the_clock() -> None:
    bed = Bed()
    bed.treated(day="2020-03-10")
    bed.cryoablation("x2", "c-p1", day="2020-09-10")
    bed.assessment("o1", "controlled", "2020-09-10", focus=["Condition/c-p1"])
    bed.build()
    assert bed.column("SELECT days_from_treatment FROM core.local_control") == [184]
