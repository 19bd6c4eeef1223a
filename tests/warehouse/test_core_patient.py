"""Core: cohort patients, what is told of them and how they went through the flow."""

from datetime import date
from itertools import pairwise
from typing import Any

import pytest
from core_testbed import Bed, Row

INDEX = "2020-03-10"


def patient(bed: Bed, name: str = "p1") -> Row:
    """The row of one patient."""
    [row] = bed.rows(f"SELECT * FROM core.patient WHERE patient_key = 'a/{name}'")  # noqa: S608
    return row


def bed_with(day: str = INDEX, **columns: Any) -> Bed:
    """One treated patient with these Patient columns."""
    bed = Bed()
    bed.patient(**columns)
    bed.metastasis("c1", "T8")
    bed.cryoablation("x1", "c1", day=day)
    return bed


@pytest.mark.parametrize(
    ("birth", "index", "age"),
    [
        ("1950-03-10", "2020-03-10", 70),
        ("1950-03-11", "2020-03-10", 69),
        ("1950-12-01", "2020-03-10", 69),
        ("1960-02-29", "2019-02-28", 58),
        ("1960-02-29", "2019-03-01", 59),
        ("1950", "2020-03-10", None),
        ("2021-01-01", "2020-03-10", None),
        (None, "2020-03-10", None),
    ],
)
def test_age_is_in_completed_years_at_the_index_date(birth: str | None, index: str, age: int | None) -> None:
    bed = bed_with(day=index, birth_text=birth).build()
    assert patient(bed)["age_at_index_years"] == age


@pytest.mark.parametrize(
    ("columns", "is_dead", "death_date"),
    [
        ({}, False, None),
        ({"is_deceased": False}, False, None),
        ({"is_deceased": True}, True, None),
        ({"deceased_text": "2020-05-10T08:00:00-06:00"}, True, date(2020, 5, 10)),
        ({"deceased_text": "2020-05"}, True, None),
        ({"deceased_text": "2021-06-30"}, True, date(2021, 6, 30)),
        ({"deceased_text": "2021-07-01"}, False, None),
    ],
)
def test_a_death_counts_up_to_the_data_lock(columns: Row, is_dead: bool, death_date: date | None) -> None:
    bed = bed_with(**columns).build()
    assert (patient(bed)["is_dead"], patient(bed)["death_date"]) == (is_dead, death_date)


def test_last_contact_is_the_latest_dated_contact_up_to_the_data_lock() -> None:
    bed = bed_with()
    bed.score("o1", 99, "2020-06-01")
    bed.assessment("o2", "controlled", "2020-07-01")
    bed.procedure("x2", day="2020-08-01", codes={})
    bed.procedure("x3", day="2020-09-01", codes={}, status="not-done")
    bed.score("o3", 5, "2020-10-01", status="entered-in-error")
    bed.score("o4", 5, "2021-07-01")
    bed.score("o5", 5, "2021-01")
    bed.build()
    row = patient(bed)
    assert (row["last_contact_date"], row["follow_up_days"]) == (date(2020, 8, 1), 144)


def test_a_known_day_of_death_is_the_last_contact() -> None:
    bed = bed_with(deceased_text="2020-12-24")
    bed.score("o1", 5, "2020-06-01")
    bed.score("o2", 5, "2021-01-01")
    bed.build()
    assert patient(bed)["last_contact_date"] == date(2020, 12, 24)


def test_a_patient_without_any_later_contact_is_followed_for_no_day() -> None:
    bed = bed_with().build()
    assert patient(bed)["follow_up_days"] == 0


@pytest.mark.parametrize(
    ("score", "indication", "reason"),
    [
        (1, False, "baseline score"),
        (0, False, None),
        (None, False, None),
        (0, True, "coded indication"),
        (None, True, "coded indication"),
        (5, True, "baseline score and coded indication"),
    ],
)
def test_painful_is_a_baseline_above_zero_or_a_coded_indication(
    score: float | None,
    indication: bool,
    reason: str | None,
) -> None:
    bed = bed_with()
    if score is not None:
        bed.score("o1", score, "2020-03-09")
    if indication:
        bed.condition("c9", codes={"code": ["painful:pain_in_spine"]}, recorded_text=INDEX)
    bed.build()
    row = patient(bed)
    assert (row["baseline_score"], row["is_painful"], row["painful_reason"]) == (
        score,
        reason is not None,
        reason,
    )


@pytest.mark.parametrize(
    ("columns", "painful"),
    [
        ({"recorded_text": "2020-03-10"}, True),
        ({"onset_text": "2019"}, True),
        ({"onset_text": "2020-03-01", "recorded_text": "2020-06-01"}, True),
        ({"recorded_text": "2020-03-11"}, False),
        ({"onset_text": "2020"}, False),
        ({}, False),
        ({"recorded_text": "2020-03-01", "verification_status": "refuted"}, False),
        ({"recorded_text": "2020-03-09", "clinical_status": "active"}, True),
        ({"recorded_text": "2020-03-09", "clinical_status": "resolved"}, False),
        ({"onset_text": "2019", "clinical_status": "inactive"}, False),
        ({"onset_text": "2019", "clinical_status": "remission"}, False),
        ({"recorded_text": "2020-03-10", "clinical_status": "resolved"}, True),
        ({"recorded_text": "2020-03-01", "patient": "p2"}, False),
    ],
)
def test_pain_on_file_counts_from_its_onset_or_recording_up_to_the_index(columns: Row, painful: bool) -> None:
    bed = bed_with()
    bed.condition("c9", codes={"code": ["painful:pain_in_spine"]}, **columns)
    bed.build()
    assert patient(bed)["is_painful"] is painful


def test_pain_as_the_reason_of_the_index_ablation_counts_coded_or_referenced() -> None:
    bed = Bed()
    for name in ("p1", "p2", "p3"):
        bed.metastasis(f"c-{name}", "T8", patient=name)
    ended = {"onset_text": "2019", "clinical_status": "resolved"}
    bed.condition("pain", patient="p2", codes={"code": ["painful:pain_in_spine"]}, **ended)
    bed.cryoablation("x1", "c-p1", codes={"reason": ["painful:pain_in_spine"]})
    bed.cryoablation("x2", "c-p2", "pain", patient="p2")
    bed.cryoablation("x3", "c-p3", patient="p3")
    bed.cryoablation(
        "x4", "c-p3", patient="p3", day="2020-09-10", codes={"reason": ["painful:pain_in_spine"]}
    )
    bed.build()
    assert [patient(bed, name)["is_painful"] for name in ("p1", "p2", "p3")] == [True, True, False]


def test_the_primary_is_the_one_the_metastasis_refers_to_else_the_first_on_file() -> None:
    bed = Bed()
    for name in ("p1", "p2"):
        bed.metastasis(f"c-{name}", "T8", patient=name)
        bed.cryoablation(f"x-{name}", f"c-{name}", patient=name)
        bed.condition(f"k-{name}", patient=name, codes={"code": ["primary:kidney"]}, onset_text="2015")
        bed.condition(f"l-{name}", patient=name, codes={"code": ["primary:lung"]}, onset_text="2018")
        bed.condition(
            f"r-{name}",
            patient=name,
            codes={"code": ["primary:liver"]},
            onset_text="2001",
            verification_status="refuted",
        )
    bed.add(
        "flat.condition_reference",
        center_id="a",
        condition_key="a/c-p1",
        element="primary",
        target_key="a/l-p1",
    )
    bed.build()
    assert [patient(bed, name)["primary_concept"] for name in ("p1", "p2")] == ["lung", "kidney"]


def test_a_patient_whose_resource_is_missing_stays_in_the_cohort() -> None:
    bed = Bed()
    bed.metastasis("c1", "T8")
    bed.cryoablation("x1", "c1")
    bed.build()
    row = patient(bed)
    assert (row["sex"], row["age_at_index_years"], row["is_dead"], row["n_lesions"]) == (None, None, False, 1)


def flow(bed: Bed, step: str, center: str = "a") -> list[tuple[int, int, str]]:
    """kept, excluded and reason of one step."""
    rows = bed.rows("SELECT * FROM core.flow")
    wanted = [row for row in rows if (row["center_id"], row["step"]) == (center, step)]
    return sorted((row["kept"], row["excluded"], row["reason"]) for row in wanted)


@pytest.fixture(scope="module")
def flow_bed() -> Bed:
    """A cohort in which every step of the flow excludes something."""
    bed = Bed()
    bed.treated("p1", codes={"intent": ["intent:curative"]})
    bed.treated("p2", codes={"intent": ["intent:palliative"]})
    bed.treated("p3", codes={"intent": ["intent:curative"]})
    bed.rows_to_insert["flat.patient"].pop()
    bed.patient("p3", deceased_text="2020-03-20")
    site = {"body_site": ["level:T8"]}
    bed.cryoablation("n1", "c-p1", status="not-done")
    bed.procedure("n2", codes={"code": ["procedure:other_ablation"]} | site)
    bed.cryoablation("n3", codes={"body_site": ["urn:x|rib"]})
    bed.cryoablation("n4", patient="p4", codes=site)
    bed.cryoablation("n5", "c-p1", day="2021-02-01")
    bed.cryoablation("n6", "c-p1", status="stopped")
    bed.score("o1", 7, "2020-03-09", patient="p1")
    bed.score("o2", 11, "2020-03-09", patient="p1")
    bed.score("o3", 0, "2020-03-09", patient="p2")
    bed.score("o4", 3, "2020-03-11", patient="p3")
    bed.condition("pain", patient="p3", codes={"code": ["painful:pain_in_spine"]}, onset_text="2019")
    bed.assessment("a1", "controlled", "2020-09-10", focus=["Condition/c-p1"])
    bed.assessment("a2", "controlled", "2020-09-10")
    event = {"event": ["complication:fracture"]}
    bed.adverse_event("e1", day="2020-03-11", codes=event)
    bed.adverse_event("e2", day="2020-03-11", codes=event)
    bed.adverse_event("e3", day="2020-09-11", codes=event)
    bed.add("ops.code_map", center_id="b", system="s", code="c", code_set="level", concept="T8", requires="")
    return bed.build()


@pytest.mark.parametrize(
    ("step", "rows"),
    [
        ("procedures found", [(9, 0, "")]),
        ("completed", [(7, 1, "status not-done"), (7, 1, "status stopped")]),
        ("cryoablation", [(6, 1, "other ablation technique")]),
        ("vertebral site", [(5, 1, "body site is not a vertebra")]),
        ("metastasis confirmed", [(4, 1, "no metastasis at this site")]),
        ("in the study window", [(3, 1, "after the study window")]),
        ("patients", [(3, 0, "")]),
        ("sessions", [(3, 0, "")]),
        ("lesions", [(3, 0, "")]),
        ("painful patients", [(2, 1, "baseline score 0, no coded indication")]),
        ("scored at baseline", [(1, 1, "no usable score in the window")]),
        ("scored at 24h", [(1, 1, "no usable score in the window")]),
        ("scored at 1m", [(0, 1, "died before the window"), (0, 1, "no usable score in the window")]),
        ("scored at last", [(0, 1, "died before the window"), (0, 1, "no usable score in the window")]),
        ("pain scores found", [(4, 0, "")]),
        ("pain scores usable", [(3, 1, "out of range")]),
        ("lesions with curative intent", [(2, 1, "intent palliative")]),
        ("curative lesions with imaging follow-up", [(1, 1, "no usable assessment")]),
        ("assessments found", [(2, 0, "")]),
        ("assessments usable", [(1, 1, "no lesion focus")]),
        ("complication reports found", [(3, 0, "")]),
        ("reports of a session", [(2, 1, "too long after a session")]),
        ("complications", [(1, 1, "another report of the same event")]),
        ("complications with a grade", [(0, 1, "no grade")]),
    ],
)
def test_each_step_of_the_flow_tells_kept_excluded_and_why(
    flow_bed: Bed, step: str, rows: list[tuple[int, int, str]]
) -> None:
    assert flow(flow_bed, step) == rows


def test_a_center_without_any_procedure_has_a_flow_of_zeros(flow_bed: Bed) -> None:
    assert flow_bed.column("SELECT DISTINCT kept + excluded FROM core.flow WHERE center_id = 'b'") == [0]
    steps = "SELECT count(DISTINCT step_order) FROM core.flow GROUP BY center_id"
    assert flow_bed.column(steps) == [24, 24]


def test_procedure_steps_lose_exactly_what_they_exclude(flow_bed: Bed) -> None:
    rows = flow_bed.rows(
        "SELECT kept, sum(excluded) AS excluded FROM core.flow"
        " WHERE center_id = 'a' AND step_order <= 6 GROUP BY step_order, kept ORDER BY step_order"
    )
    for before, after in pairwise(rows):
        assert before["kept"] == after["kept"] + after["excluded"]
