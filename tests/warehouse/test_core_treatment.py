"""Core: which ablations are treatments, of which lesions, in which sessions."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import pytest
from core_testbed import Bed, ids

GENERIC_BONE = {"code": ["metastasis:bone_metastasis!"]}


def lesions(bed: Bed) -> list[str]:
    """Keys of the treated lesions without center."""
    return ids(bed.column("SELECT lesion_key FROM core.lesion"))


def exclusions(bed: Bed) -> list[str]:
    """Reasons why ablations were excluded."""
    return bed.column("SELECT exclusion_reason FROM flat.ablation WHERE exclusion_step IS NOT NULL")


def test_a_completed_cryoablation_of_a_spinal_metastasis_is_a_treatment() -> None:
    bed = Bed()
    bed.treated(level="T8", codes={"intent": ["intent:curative"]})
    bed.build()
    [treatment] = bed.rows("SELECT * FROM core.treatment")
    assert treatment == {
        "treatment_key": "a/p1/2020-03-10/T8",
        "center_id": "a",
        "patient_key": "a/p1",
        "session_key": "a/p1/2020-03-10",
        "lesion_key": "a/p1/T8",
        "procedure_key": "a/x-p1",
        "run_id": 1,
        "treated_date": date(2020, 3, 10),
        "started_at": None,
        "level": "T8",
        "region": "thoracic",
        "intent": "curative",
        "has_cementoplasty": False,
        "is_first_of_lesion": True,
        "condition_key": "a/c-p1",
        "body_structure_key": None,
        "link": "reason_condition",
        "resource_type": "Procedure",
        "resource_key": "a/x-p1",
    }


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("entered-in-error", "status entered-in-error"),
        ("not-done", "status not-done"),
        ("stopped", "status stopped"),
        ("in-progress", "status in-progress"),
        (None, "status missing"),
    ],
)
def test_only_completed_procedures_count(status: str | None, reason: str) -> None:
    bed = Bed()
    bed.treated(status=status)
    bed.build()
    assert lesions(bed) == []
    assert exclusions(bed) == [reason]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("procedure:other_ablation", "other ablation technique"),
        ("procedure:vertebral_destruction", "code does not name the energy"),
    ],
)
def test_another_technique_is_excluded_even_at_a_metastatic_vertebra(code: str, reason: str) -> None:
    bed = Bed()
    bed.metastasis("c1", "T8")
    bed.procedure("x1", codes={"code": [code], "body_site": ["level:T8"]}, references={"reason": ["c1"]})
    bed.build()
    assert lesions(bed) == []
    assert exclusions(bed) == [reason]


def test_cryoablation_with_a_second_technique_is_cryoablation() -> None:
    bed = Bed()
    bed.treated(codes={"code": ["procedure:cryoablation!", "procedure:other_ablation"]})
    bed.build()
    assert lesions(bed) == ["p1/T8"]


def _site_of_procedure(bed: Bed) -> None:
    bed.condition("c1", codes=GENERIC_BONE)
    bed.cryoablation("x1", "c1", codes={"body_site": ["level:T8"]})


def _site_of_condition(bed: Bed) -> None:
    bed.condition("c1", codes=GENERIC_BONE | {"body_site": ["level:T8"]})
    bed.cryoablation("x1", "c1")


def _site_of_body_structure(bed: Bed) -> None:
    bed.condition("c1", codes=GENERIC_BONE)
    bed.body_structure("b1", "T8", condition="c1")
    bed.cryoablation("x1", "c1")


@pytest.mark.parametrize("sited", [_site_of_procedure, _site_of_condition, _site_of_body_structure])
def test_the_spine_site_may_come_from_procedure_reason_or_body_structure(
    sited: Callable[[Bed], None],
) -> None:
    bed = Bed()
    sited(bed)
    bed.build()
    assert lesions(bed) == ["p1/T8"]
    assert bed.column("SELECT link FROM core.treatment") == ["reason_condition"]


def test_a_vertebral_destruction_code_beside_the_cryoablation_gives_the_spine_site() -> None:
    bed = Bed()
    bed.condition("c1", codes=GENERIC_BONE)
    bed.cryoablation(
        "x1", "c1", codes={"code": ["procedure:cryoablation!", "procedure:vertebral_destruction"]}
    )
    bed.build()
    assert bed.rows("SELECT lesion_key, level, region FROM core.lesion") == [
        {"lesion_key": "a/p1/a/c1", "level": None, "region": None}
    ]


def test_a_code_for_spinal_cryoablation_needs_no_site_of_its_own() -> None:
    bed = Bed()
    bed.metastasis("c1")
    bed.procedure("x1", codes={"code": ["procedure:cryoablation"]}, references={"reason": ["c1"]})
    bed.build()
    assert lesions(bed) == ["p1/a/c1"]


def test_cryoablation_of_a_rib_or_kidney_is_no_treatment() -> None:
    bed = Bed()
    bed.metastasis("c1", "T8")
    bed.condition("c2", codes=GENERIC_BONE | {"body_site": ["http://snomed.info/sct|rib"]})
    bed.cryoablation("x1", codes={"body_site": ["http://snomed.info/sct|kidney"]})
    bed.cryoablation("x2", "c2", codes={"body_site": ["http://snomed.info/sct|rib"]})
    bed.build()
    assert lesions(bed) == []
    assert exclusions(bed) == ["body site is not a vertebra"] * 2


def test_a_spinal_metastasis_as_reason_does_not_make_a_named_rib_a_vertebra() -> None:
    bed = Bed()
    bed.metastasis("c1")
    bed.cryoablation("x1", "c1", codes={"body_site": ["http://snomed.info/sct|rib"]})
    bed.build()
    assert exclusions(bed) == ["body site is not a vertebra"]


@pytest.mark.parametrize("status", ["refuted", "entered-in-error"])
def test_a_refuted_metastasis_confirms_nothing(status: str) -> None:
    bed = Bed()
    bed.metastasis("c1", "T8", verification_status=status)
    bed.cryoablation("x1", "c1", codes={"body_site": ["level:T8"]})
    bed.build()
    assert exclusions(bed) == ["no metastasis at this site"]


def test_without_a_reason_a_metastasis_of_the_patient_at_that_level_confirms() -> None:
    bed = Bed()
    bed.metastasis("c1", "T8")
    bed.metastasis("c2", "L1")
    bed.cryoablation("x1", codes={"body_site": ["level:T8"]})
    bed.cryoablation("x2", codes={"body_site": ["level:T9"]})
    bed.metastasis("c3", "T9", patient="p2")
    bed.build()
    assert bed.rows("SELECT lesion_key, condition_key, link FROM core.treatment") == [
        {"lesion_key": "a/p1/T8", "condition_key": "a/c1", "link": "patient_condition"}
    ]
    assert exclusions(bed) == ["no metastasis at this site"]


@pytest.mark.parametrize(
    ("codes", "confirmed"),
    [
        ({"code": ["metastasis:spinal_metastasis"]}, True),
        ({"code": ["metastasis:spinal_metastasis"], "body_site": ["region:thoracic"]}, True),
        ({"code": ["metastasis:spinal_metastasis"], "body_site": ["region:lumbar"]}, False),
        (GENERIC_BONE, True),
        (GENERIC_BONE | {"body_site": ["http://snomed.info/sct|femur"]}, False),
        ({"code": ["primary:breast"]}, False),
    ],
)
def test_a_metastasis_without_a_level_confirms_where_its_region_fits(codes: Any, confirmed: bool) -> None:
    bed = Bed()
    bed.condition("c1", codes=codes)
    bed.cryoablation("x1", codes={"body_site": ["level:T8"]})
    bed.build()
    assert lesions(bed) == (["p1/T8"] if confirmed else [])


def test_a_reason_coded_as_metastasis_confirms_without_a_condition() -> None:
    bed = Bed()
    bed.cryoablation("x1", codes={"body_site": ["level:T8"], "reason": ["metastasis:bone_metastasis!"]})
    bed.build()
    assert bed.rows("SELECT lesion_key, condition_key, link FROM core.treatment") == [
        {"lesion_key": "a/p1/T8", "condition_key": None, "link": "reason_code"}
    ]


def test_a_primary_bone_tumor_is_not_a_metastasis() -> None:
    bed = Bed()
    bed.metastasis("c0")
    bed.condition("c1", codes={"code": ["primary_bone_tumor:primary_bone_tumor"], "body_site": ["level:T8"]})
    bed.cryoablation("x1", "c1", codes={"body_site": ["level:T8"]})
    bed.build()
    assert lesions(bed) == []
    assert exclusions(bed) == ["primary bone tumor"]


def test_the_reason_of_another_patient_confirms_nothing() -> None:
    bed = Bed()
    bed.metastasis("c1", "T8", patient="p2")
    bed.cryoablation("x1", "c1", codes={"body_site": ["level:T8"]})
    bed.build()
    assert exclusions(bed) == ["no metastasis at this site"]


@pytest.mark.parametrize(
    ("day", "reason"),
    [
        ("2008-01-01", None),
        ("2020-12-31", None),
        ("2020-12-31T23:30:00-06:00", None),
        ("2007-12-31", "before the study window"),
        ("2021-01-01", "after the study window"),
        ("2020-05", "no full date"),
        (None, "no full date"),
    ],
)
def test_the_study_window_includes_both_ends_by_local_day(day: str, reason: str | None) -> None:
    bed = Bed()
    bed.treated(day=day)
    bed.build()
    assert exclusions(bed) == ([reason] if reason else [])


def test_a_procedure_after_the_data_lock_waits_for_the_next_lock() -> None:
    bed = Bed()
    bed.rule["data_lock"] = date(2020, 3, 9)
    bed.treated(day="2020-03-10")
    bed.build()
    assert exclusions(bed) == ["after the data lock"]


def test_an_end_without_a_start_dates_the_procedure_but_gives_no_start() -> None:
    bed = Bed()
    bed.treated(day=None, performed_end_text="2020-03-10T10:00:00Z")
    bed.build()
    assert bed.rows("SELECT treated_date, started_at FROM core.treatment") == [
        {"treated_date": date(2020, 3, 10), "started_at": None}
    ]


def test_a_procedure_without_a_patient_is_excluded() -> None:
    bed = Bed()
    bed.procedure("x1", patient=None, codes={"code": ["procedure:cryoablation"], "body_site": ["level:T8"]})
    bed.build()
    assert exclusions(bed) == ["patient reference does not resolve"]


def test_one_procedure_treats_every_reason_and_session_is_patient_and_day() -> None:
    bed = Bed()
    bed.metastasis("c1", "T8")
    bed.metastasis("c2", "L2", "L3")
    bed.cryoablation("x1", "c1", "c2", codes={"body_site": ["level:T8", "level:L2"]})
    bed.build()
    assert lesions(bed) == ["p1/L2+L3", "p1/T8"]
    assert bed.rows("SELECT session_key, n_lesions, n_levels FROM core.session") == [
        {"session_key": "a/p1/2020-03-10", "n_lesions": 2, "n_levels": 3}
    ]


def test_a_level_beyond_the_reasons_counts_only_with_a_metastasis_there() -> None:
    bed = Bed()
    bed.metastasis("c1", "T8")
    bed.metastasis("c2", "L2")
    bed.cryoablation("x1", "c1", codes={"body_site": ["level:T8", "level:L2", "level:L4"]})
    bed.build()
    assert lesions(bed) == ["p1/L2", "p1/T8"]


def test_one_condition_for_all_bone_metastases_gives_a_lesion_for_each_level_named() -> None:
    bed = Bed()
    bed.condition("c1", codes=GENERIC_BONE)
    bed.cryoablation("x1", "c1", codes={"body_site": ["level:T8", "level:L2"]})
    bed.build()
    assert lesions(bed) == ["p1/L2", "p1/T8"]


def test_of_several_tumors_of_one_condition_those_at_the_levels_named_are_treated() -> None:
    bed = Bed()
    bed.condition("c1", codes=GENERIC_BONE)
    for tumor, level in (("b1", "T8"), ("b2", "L1"), ("b3", "L3")):
        bed.body_structure(tumor, level, condition="c1")
    bed.cryoablation("x1", "c1", codes={"body_site": ["level:L1"]})
    bed.cryoablation("x2", "c1", patient="p1", day="2020-04-10", codes={"body_site": ["level:L3"]})
    bed.build()
    assert bed.rows("SELECT lesion_key, body_structure_key FROM core.lesion ORDER BY ALL") == [
        {"lesion_key": "a/p1/L1", "body_structure_key": "a/b2"},
        {"lesion_key": "a/p1/L3", "body_structure_key": "a/b3"},
    ]


def test_all_tumors_of_the_reason_are_treated_when_no_level_is_named() -> None:
    bed = Bed()
    bed.condition("c1", codes=GENERIC_BONE)
    bed.body_structure("b1", "T8", condition="c1")
    bed.body_structure("b2", "L1", condition="c1")
    bed.cryoablation("x1", "c1")
    bed.build()
    assert lesions(bed) == ["p1/L1", "p1/T8"]


def test_a_later_session_on_the_same_level_is_a_retreatment() -> None:
    bed = Bed()
    bed.metastasis("c1", "T8")
    bed.cryoablation("x1", "c1", day="2020-03-10", codes={"intent": ["intent:curative"]})
    bed.cryoablation(
        "x2", day="2020-09-10", codes={"body_site": ["level:T8"], "intent": ["intent:palliative"]}
    )
    bed.build()
    assert bed.rows("SELECT lesion_key, n_sessions, intent, first_treated_date FROM core.lesion") == [
        {
            "lesion_key": "a/p1/T8",
            "n_sessions": 2,
            "intent": "curative",
            "first_treated_date": date(2020, 3, 10),
        }
    ]
    assert bed.column("SELECT is_first_of_lesion FROM core.treatment ORDER BY treated_date") == [True, False]
    assert bed.rows("SELECT session_number, is_index FROM core.session ORDER BY session_date") == [
        {"session_number": 1, "is_index": True},
        {"session_number": 2, "is_index": False},
    ]


def test_a_level_of_a_level_set_retreats_the_whole_lesion() -> None:
    bed = Bed()
    bed.metastasis("c1", "T8", "T9")
    bed.cryoablation("x1", "c1", day="2020-03-10")
    bed.cryoablation("x2", day="2020-09-10", codes={"body_site": ["level:T9"]})
    bed.build()
    assert bed.rows("SELECT lesion_key, n_sessions FROM core.lesion") == [
        {"lesion_key": "a/p1/T8+T9", "n_sessions": 2}
    ]


def test_several_procedures_on_one_lesion_and_day_are_one_treatment() -> None:
    bed = Bed()
    bed.metastasis("c1", "T8")
    bed.cryoablation("x1", "c1", day="2020-03-10T11:00:00+01:00")
    bed.cryoablation("x2", "c1", day="2020-03-10T09:00:00+01:00", codes={"intent": ["intent:palliative"]})
    bed.build()
    assert bed.rows("SELECT procedure_key, started_at, intent FROM core.treatment") == [
        {
            "procedure_key": "a/x2",
            "started_at": datetime.fromisoformat("2020-03-10T08:00"),
            "intent": "palliative",
        }
    ]


def test_two_conditions_at_one_level_are_one_lesion() -> None:
    bed = Bed()
    bed.metastasis("c1", "T8")
    bed.metastasis("c2", "T8")
    bed.cryoablation("x1", "c1", "c2")
    bed.build()
    assert lesions(bed) == ["p1/T8"]


def test_a_region_without_a_level_is_a_lesion_without_a_level() -> None:
    bed = Bed()
    bed.metastasis("c1", "T8")
    bed.cryoablation("x1", codes={"body_site": ["region:thoracic"]})
    bed.build()
    assert bed.rows("SELECT lesion_key, level, region FROM core.lesion") == [
        {"lesion_key": "a/p1/thoracic", "level": None, "region": "thoracic"}
    ]


def test_the_same_ids_at_two_centers_are_two_patients() -> None:
    bed = Bed()
    bed.treated()
    other = Bed(center="b", rows_to_insert=bed.rows_to_insert)
    other.treated()
    bed.build()
    assert bed.column("SELECT patient_key FROM core.patient ORDER BY ALL") == ["a/p1", "b/p1"]


@pytest.mark.parametrize("code", ["procedure:cementoplasty", "used:"])
def test_cement_that_is_part_of_an_ablation_is_at_all_its_lesions(code: str) -> None:
    bed = Bed()
    bed.metastasis("c1", "T8")
    bed.metastasis("c2", "L2")
    bed.cryoablation("x1", "c1", "c2")
    codes = {"code": [code]} if code != "used:" else {"used": ["procedure:cementoplasty"]}
    bed.procedure("x2", day="2020-03-11", codes=codes, references={"part_of": ["x1"]})
    bed.build()
    assert bed.column("SELECT has_cementoplasty FROM core.lesion") == [True, True]


@pytest.mark.parametrize(
    ("sites", "cemented"),
    [
        (["level:L2"], ["p1/L2"]),
        (["region:lumbar"], ["p1/L2"]),
        (["region:spine"], ["p1/L2", "p1/T8"]),
        (["http://snomed.info/sct|local"], ["p1/L2", "p1/T8"]),
        (["level:L5"], []),
    ],
)
def test_cement_with_body_sites_is_at_those_only(sites: list[str], cemented: list[str]) -> None:
    bed = Bed()
    bed.metastasis("c1", "T8")
    bed.metastasis("c2", "L2")
    bed.cryoablation("x1", "c1", "c2")
    codes = {"code": ["procedure:cementoplasty"], "body_site": sites}
    bed.procedure("x2", codes=codes, references={"part_of": ["x1"]})
    bed.build()
    assert ids(bed.column("SELECT lesion_key FROM core.lesion WHERE has_cementoplasty")) == cemented


@pytest.mark.parametrize(
    ("columns", "level", "cemented"),
    [
        ({}, "T8", True),
        ({"day": "2020-03-10T16:00:00+01:00"}, "T8", True),
        ({}, "T9", False),
        ({"day": "2020-03-11"}, "T8", False),
        ({"patient": "p2"}, "T8", False),
        ({"status": "not-done"}, "T8", False),
    ],
)
def test_cement_without_part_of_needs_patient_day_and_level(
    columns: dict[str, Any],
    level: str,
    cemented: bool,
) -> None:
    bed = Bed()
    bed.treated()
    bed.procedure(
        "x2", codes={"code": ["procedure:cementoplasty"], "body_site": [f"level:{level}"]}, **columns
    )
    bed.build()
    assert bed.column("SELECT has_cementoplasty FROM core.lesion") == [cemented]


def test_cement_coded_on_the_ablation_itself_counts() -> None:
    bed = Bed()
    bed.treated(codes={"used": ["procedure:cementoplasty"]})
    bed.build()
    assert bed.rows("SELECT cementoplasty_key, link FROM flat.cemented_lesion") == [
        {"cementoplasty_key": "a/x-p1", "link": "same_procedure"}
    ]


def test_cement_of_a_retreatment_is_not_cement_of_the_lesions_first_session() -> None:
    bed = Bed()
    bed.treated(day="2020-03-10")
    bed.cryoablation("x2", "c-p1", day="2020-09-10", codes={"used": ["procedure:cementoplasty"]})
    bed.build()
    assert bed.column("SELECT has_cementoplasty FROM core.treatment ORDER BY treated_date") == [False, True]
    assert bed.column("SELECT has_cementoplasty FROM core.lesion") == [False]


@pytest.mark.parametrize(
    ("intents", "intent"),
    [
        ([], None),
        (["intent:palliative"], "palliative"),
        (["intent:supportive", "intent:palliative"], "palliative"),
        (["intent:palliative", "intent:curative"], "curative"),
    ],
)
def test_intent_is_the_strongest_coded(intents: list[str], intent: str | None) -> None:
    bed = Bed()
    bed.treated(codes={"intent": intents})
    bed.build()
    assert bed.column("SELECT intent FROM core.lesion") == [intent]
