"""Core: which pain Observations count, and which of them stands for each of the four times."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from core_testbed import Bed, Row

INDEX = "2020-03-10"
NPRS = {"code": ["pain_score:nprs"]}


@dataclass(frozen=True)
class Sent:
    """One Observation and what is expected of it."""

    says: str
    score: float | None
    reason: str | None
    form: str | None = "quantity"
    columns: dict[str, Any] = field(default_factory=dict)
    day: str | None = "2020-03-09"
    codes: Sequence[str] = ("pain_score:nprs",)
    answer: str | None = None
    ordinal: float | None = None
    components: Sequence[dict[str, Any]] = ()


def quantity(value: float, code: str | None = None, unit: str | None = None, **more: Any) -> dict[str, Any]:
    """Columns of a valueQuantity."""
    return {"value_quantity": value, "value_unit_code": code, "value_unit": unit} | more


COMPONENT = {"index": 0, "code": None, "value_quantity": 6}
SENT = [
    Sent("quantity in {score}", 7, None, columns=quantity(7, "{score}")),
    Sent("quantity in {ScoreOf10}", 7, None, columns=quantity(7, "{ScoreOf10}")),
    Sent("quantity in 1, unit Level", 7, None, columns=quantity(7, "1", "Level")),
    Sent("quantity without unit", 7, None, columns=quantity(7)),
    Sent("quantity with a word for points", 7, None, columns=quantity(7, None, "Points")),
    Sent("half points are kept", 6.5, None, columns=quantity(6.5, "{score}")),
    Sent("zero", 0, None, columns=quantity(0, "{score}")),
    Sent("ten", 10, None, columns=quantity(10, "{score}")),
    Sent("integer", 4, None, "integer", columns={"value_integer": 4}),
    Sent("answer code", 2, None, "answer", answer="pain_answer:2"),
    Sent("answer code ten", 10, None, "answer", answer="pain_answer:10"),
    Sent("answer by a code of the center's own", 2, None, "answer", answer="pain_answer:2?ZWEI"),
    Sent(
        "answer under another question of the same scale",
        None,
        "no value",
        None,
        answer="pain_answer:2",
        codes=["pain_score:nprs?38208-5"],
    ),
    Sent(
        "answer under its question by a system alias",
        2,
        None,
        "answer",
        answer="pain_answer:2",
        codes=["pain_score:nprs?38208-5", "urn:alias:pain_score|nprs"],
    ),
    Sent("answer nobody knows", None, "no value", None, answer="urn:x|two"),
    Sent("answer nobody knows with an ordinal", 3, None, "ordinal", answer="urn:x|three", ordinal=3),
    Sent(
        "the answers of the question before an ordinal", 2, None, "answer", answer="pain_answer:2", ordinal=9
    ),
    Sent("ordinal beyond the range", 12, "out of range", "ordinal", answer="urn:x|many", ordinal=12),
    Sent(
        "ordinal in a component",
        4,
        None,
        "component_ordinal",
        components=[{"index": 0, "code": None, "answer": "urn:x|four", "value_ordinal": 4}],
    ),
    Sent(
        "component below a bound",
        5,
        "comparator present",
        "component_quantity",
        components=[{"index": 0, "code": None, "value_quantity": 5, "value_comparator": "<"}],
    ),
    Sent(
        "component whose unit is text",
        40,
        "unit is not one of the scale",
        "component_quantity",
        components=[{"index": 0, "code": None, "value_quantity": 40, "value_unit": "mm"}],
    ),
    Sent("a comparator without a number", None, "no value", None, columns={"value_comparator": "<"}),
    Sent("quantity in an unknown unit", 7, "unit is not one of the scale", columns=quantity(7, "kg")),
    Sent(
        "quantity with an unknown word",
        7,
        "unit is not one of the scale",
        columns=quantity(7, None, "Smileys"),
    ),
    Sent("quantity of the only component", 6, None, "component_quantity", components=[COMPONENT]),
    Sent(
        "integer of the component with a pain code",
        3,
        None,
        "component_integer",
        components=[
            {"index": 0, "code": "urn:x|worst", "value_integer": 9},
            {"index": 1, "code": "pain_score:nprs", "value_integer": 3},
        ],
    ),
    Sent(
        "component of a panel without a pain code",
        5,
        None,
        "component_quantity",
        codes=["urn:x|panel"],
        components=[
            {"index": 0, "code": "pain_score:nprs", "value_quantity": 5, "value_unit_code": "{score}"}
        ],
    ),
    Sent(
        "answer in a component",
        8,
        None,
        "component_answer",
        components=[{"index": 0, "code": "pain_score:nprs", "answer": "pain_answer:8?nprs"}],
    ),
    Sent("own value before component", 7, None, columns=quantity(7), components=[COMPONENT]),
    Sent(
        "two components without a pain code",
        None,
        "no value",
        None,
        components=[COMPONENT, {"index": 1, "code": None, "value_quantity": 2}],
    ),
    Sent(
        "component in mm",
        40,
        "unit is not one of the scale",
        "component_quantity",
        components=[COMPONENT | {"value_quantity": 40, "value_unit_code": "mm"}],
    ),
    Sent(
        "any numeric rating code makes it one",
        7,
        None,
        columns=quantity(7),
        codes=["pain_score:vas", "pain_score:nprs"],
    ),
    Sent("unit mm", 70, "unit is not one of the scale", columns=quantity(70, "mm")),
    Sent("unit cm", 7, "unit is not one of the scale", columns=quantity(7, "cm")),
    Sent("unit text mm beside code 1", 7, "unit is not one of the scale", columns=quantity(7, "1", "mm")),
    Sent("unit text percent", 7, "unit is not one of the scale", columns=quantity(7, None, "%")),
    *(
        Sent(
            f"scale {scale}",
            5,
            f"scale is not the 0-10 numeric rating: {scale}",
            columns=quantity(5),
            codes=[f"pain_score:{scale}"],
        )
        for scale in ("vas", "faces", "verbal", "interference")
    ),
    Sent("eleven", 11, "out of range", columns=quantity(11, "{score}")),
    Sent("just above ten", 10.1, "out of range", columns=quantity(10.1, "{score}")),
    Sent("negative", -1, "out of range", "integer", columns={"value_integer": -1}),
    Sent("comparator", 5, "comparator present", columns=quantity(5, value_comparator="<")),
    Sent("amended", 7, None, columns=quantity(7, status="amended")),
    Sent("corrected", 7, None, columns=quantity(7, status="corrected")),
    Sent("entered in error", 7, "status entered-in-error", columns=quantity(7, status="entered-in-error")),
    Sent("preliminary", 7, "status preliminary", columns=quantity(7, status="preliminary")),
    Sent("no status", 7, "status missing", columns=quantity(7, status=None)),
    Sent("no date", 7, "no date", columns=quantity(7), day=None),
    Sent("partial date", 7, "partial date", columns=quantity(7), day="2020-03"),
    Sent("before birth", 7, "before birth", columns=quantity(7), day="1950-06-14"),
    Sent("day of birth", 7, None, columns=quantity(7), day="1950-06-15"),
    Sent("day of the data lock", 7, None, columns=quantity(7), day="2021-06-30"),
    Sent("after the data lock", 7, "after the data lock", columns=quantity(7), day="2021-07-01"),
    Sent(
        "error before scale before range",
        99,
        "status entered-in-error",
        columns=quantity(99, "mm", status="entered-in-error"),
        codes=["pain_score:vas"],
    ),
]


@pytest.fixture(scope="module")
def sent_rows() -> dict[str, Row]:
    """What became of each Observation of SENT; each has a patient of its own."""
    bed = Bed()
    bed.add("ops.system_alias", alias="urn:alias:pain_score", system="urn:test:pain_score")
    for number, sent in enumerate(SENT):
        bed.treated(f"p{number}", day=INDEX)
        codes = {"code": sent.codes, "value": [sent.answer] if sent.answer else []}
        bed.observation(f"o{number}", day=sent.day, codes=codes, patient=f"p{number}", **sent.columns)
        for row in bed.rows_to_insert["flat.observation_coding"]:
            if (row["observation_key"], row["element"]) == (f"a/o{number}", "value"):
                row["ordinal"] = sent.ordinal
        for component in sent.components:
            bed.component(f"o{number}", **component)
    bed.build()
    rows = bed.rows("SELECT * FROM core.pain_score")
    return {SENT[int(row["pain_score_key"].removeprefix("a/o"))].says: row for row in rows}


@pytest.mark.parametrize("sent", SENT, ids=lambda sent: sent.says)
def test_a_score_is_read_and_judged(sent_rows: dict[str, Row], sent: Sent) -> None:
    row = sent_rows[sent.says]
    assert (row["score"], row["value_form"], row["exclusion_reason"]) == (sent.score, sent.form, sent.reason)
    assert row["is_usable"] is row["is_day_highest"] is (sent.reason is None)


def test_a_unit_of_a_measure_is_made_its_own_unit_and_the_rest_is_told() -> None:
    bed = Bed()
    for name, value, unit in (("o1", 7.5, "cm"), ("o2", 75, "mm"), ("o3", 7.5, None), ("o4", 11, "cm")):
        codes = {"code": ["pain_score:vas"]}
        bed.observation(name, day=INDEX, codes=codes, value_quantity=value, value_unit_code=unit)
    bed.observation("o5", day=INDEX, codes={"code": ["pain_score:faces"]}, value_integer=4)
    bed.build()
    rows = bed.rows("SELECT score, unit_sent, rejected_reason FROM flat.pain_value ORDER BY pain_score_key")
    assert [tuple(row.values()) for row in rows] == [
        (75, "cm", None),
        (75, "mm", None),
        (7.5, "", "unit is not one of the scale"),
        (110, "cm", "out of range"),
        (4, "", None),
    ]


def test_a_changed_value_rule_changes_what_counts() -> None:
    bed = Bed()
    bed.treated(day=INDEX)
    bed.score("o1", 70, "2020-03-09", value_unit_code="mm")
    bed.build()
    assert bed.column("SELECT rejected_reason FROM flat.pain_value") == ["unit is not one of the scale"]
    bed.connection.execute("INSERT INTO ops.measure_unit VALUES ('nprs', 'code', 'mm', 0.1)")
    bed.connection.execute("DROP TABLE flat.pain_value")
    bed.made.discard("flat.pain_value")
    assert bed.column("SELECT score FROM flat.pain_value") == [7.0]


def test_a_component_with_two_codings_is_one_component() -> None:
    bed = Bed()
    bed.treated(day=INDEX)
    bed.observation("o1", day="2020-03-09", codes=NPRS)
    for code in ("urn:x|a", "urn:x|b"):
        bed.component("o1", 0, code, value_integer=6)
    bed.build()
    assert bed.column("SELECT score FROM core.pain_score") == [6]


@dataclass(frozen=True)
class Course:
    """Scores of one patient (score by time) and the score expected at each time point."""

    says: str
    scores: Sequence[tuple[float, str]]
    timeline: dict[str, float]
    started: str = INDEX


AT_NINE = f"{INDEX}T09:00:00+01:00"
COURSES = [
    Course("baseline: first day of the window", [(5, "2020-02-09")], {"baseline": 5}),
    Course("baseline: a day too early", [(5, "2020-02-08")], {}),
    Course("baseline: the last one", [(5, "2020-03-01"), (3, "2020-03-09")], {"baseline": 3}),
    Course(
        "baseline: highest of the last day",
        [(3, "2020-03-09"), (6, "2020-03-09"), (9, "2020-03-08")],
        {"baseline": 6},
    ),
    Course("baseline: day 0 without time only without an earlier one", [(5, INDEX)], {"baseline": 5}),
    Course(
        "baseline: earlier score before day 0 without time", [(8, INDEX), (5, "2020-02-20")], {"baseline": 5}
    ),
    Course(
        "baseline: before the start on day 0",
        [(8, f"{INDEX}T08:59:59+01:00"), (5, "2020-03-09")],
        {"baseline": 8},
        AT_NINE,
    ),
    Course("baseline: at the start", [(8, AT_NINE)], {"baseline": 8}, AT_NINE),
    Course(
        "baseline: instants are compared, not clocks",
        [(8, f"{INDEX}T12:30:00+05:00")],
        {"baseline": 8},
        AT_NINE,
    ),
    Course("baseline: not after the start", [(8, f"{INDEX}T09:00:01+01:00")], {}, AT_NINE),
    Course(
        "baseline: before the start, although written on the next day",
        [(8, "2020-03-11T00:30:00+14:00")],
        {"baseline": 8},
        f"{INDEX}T20:00:00+01:00",
    ),
    Course(
        "baseline: not after the start, although written on the day before",
        [(8, "2020-03-09T23:30:00-10:00")],
        {},
        AT_NINE,
    ),
    Course(
        "baseline: the last by its instant, not by its day",
        [(8, f"{INDEX}T01:00:00+14:00"), (5, "2020-03-09T23:00:00+01:00")],
        {"baseline": 5},
        AT_NINE,
    ),
    Course(
        "baseline: within thirty times 24 hours, although written on day -31",
        [(8, "2020-02-08T23:30:00-10:00")],
        {"baseline": 8},
        AT_NINE,
    ),
    Course(
        "baseline: day -30 before the hour of the start",
        [(8, "2020-02-09T08:00:00+01:00")],
        {"baseline": 8},
        AT_NINE,
    ),
    Course(
        "baseline: a time against a session without one is like no time",
        [(8, f"{INDEX}T20:00:00+01:00")],
        {"baseline": 8},
    ),
    Course(
        "before and after on one day do not hide each other",
        [(8, f"{INDEX}T08:00:00+01:00"), (9, f"{INDEX}T22:00:00+01:00")],
        {"baseline": 8, "24h": 9},
        AT_NINE,
    ),
    Course(
        "a score too early on the day does not hide the one in the window",
        [(9, f"{INDEX}T14:00:00+01:00"), (4, f"{INDEX}T21:00:00+01:00")],
        {"24h": 4},
        AT_NINE,
    ),
    Course("24h: first hour", [(4, f"{INDEX}T21:00:00+01:00")], {"24h": 4}, AT_NINE),
    Course("24h: a second too early", [(4, f"{INDEX}T20:59:59+01:00")], {}, AT_NINE),
    Course("24h: last hour", [(4, "2020-03-12T09:00:00+01:00")], {"24h": 4}, AT_NINE),
    Course("24h: a second too late", [(4, "2020-03-12T09:00:01+01:00")], {}, AT_NINE),
    Course(
        "24h: the nearest",
        [(2, "2020-03-11T20:00:00+01:00"), (6, "2020-03-12T07:00:00+01:00")],
        {"24h": 2},
        AT_NINE,
    ),
    Course(
        "24h: the earlier on ties",
        [(2, f"{INDEX}T23:00:00+01:00"), (6, "2020-03-11T19:00:00+01:00")],
        {"24h": 2},
        AT_NINE,
    ),
    Course(
        "24h: highest of the day within the window",
        [(2, "2020-03-11T09:00:00+01:00"), (6, "2020-03-11T20:00:00+01:00")],
        {"24h": 6},
        AT_NINE,
    ),
    Course("24h: day 1 without time", [(4, "2020-03-11"), (7, "2020-03-12")], {"24h": 4}),
    Course("24h: else day 2", [(7, "2020-03-12")], {"24h": 7}),
    Course("24h: not day 3", [(7, "2020-03-13")], {}),
    Course(
        "24h: hours over the change to summer time",
        [(4, "2020-03-29T10:59:59+02:00")],
        {},
        "2020-03-28T22:00:00+01:00",
    ),
    Course(
        "24h: twelve real hours over the change to summer time",
        [(4, "2020-03-29T11:00:00+02:00")],
        {"24h": 4},
        "2020-03-28T22:00:00+01:00",
    ),
    Course("1m: first day is also the last score", [(4, "2020-03-31")], {"1m": 4, "last": 4}),
    Course("1m: a day too early", [(4, "2020-03-30")], {}),
    Course("1m: last day", [(4, "2020-04-24")], {"1m": 4, "last": 4}),
    Course("1m: a day too late", [(4, "2020-04-25")], {"last": 4}),
    Course("1m: the nearest to day 30", [(4, "2020-04-07"), (6, "2020-04-12")], {"1m": 4, "last": 6}),
    Course("1m: the earlier on ties", [(6, "2020-04-11"), (4, "2020-04-07")], {"1m": 4, "last": 6}),
    Course("1m: highest of the day", [(4, "2020-04-09"), (6, "2020-04-09")], {"1m": 6, "last": 6}),
    Course(
        "last: the latest", [(6, "2020-04-09"), (1, "2021-03-01"), (2, "2020-12-01")], {"1m": 6, "last": 1}
    ),
    Course(
        "all four",
        [(9, "2020-03-01"), (5, "2020-03-11"), (3, "2020-04-09"), (0, "2021-01-01")],
        {"baseline": 9, "24h": 5, "1m": 3, "last": 0},
    ),
]


@pytest.fixture(scope="module")
def course_bed() -> Bed:
    """All courses in one warehouse; each is a patient."""
    bed = Bed()
    for number, course in enumerate(COURSES):
        bed.treated(f"p{number}", day=course.started)
        for index, (value, day) in enumerate(course.scores):
            bed.score(f"o{number}-{index}", value, day, patient=f"p{number}")
    return bed.build()


@pytest.mark.parametrize("course", COURSES, ids=lambda course: course.says)
def test_each_time_point_takes_its_score(course_bed: Bed, course: Course) -> None:
    patient = f"a/p{COURSES.index(course)}"
    rows = course_bed.rows(f"SELECT * FROM core.pain_timeline WHERE patient_key = '{patient}'")  # noqa: S608
    assert {row["time_point"]: row["score"] for row in rows} == course.timeline


def test_a_baseline_of_the_index_day_without_time_is_flagged(course_bed: Bed) -> None:
    flagged = course_bed.column("SELECT patient_key FROM core.pain_timeline WHERE is_assumed_before")
    expected = {
        "baseline: day 0 without time only without an earlier one",
        "baseline: a time against a session without one is like no time",
    }
    assert {COURSES[int(key.removeprefix("a/p"))].says for key in flagged} == expected


def test_of_equal_scores_of_a_day_the_smallest_key_counts_and_the_others_say_why() -> None:
    bed = Bed()
    bed.treated(day=INDEX)
    for name, value in (("o3", 6), ("o1", 6), ("o2", 6), ("o4", 2), ("o5", 11)):
        bed.score(name, value, "2020-03-09")
    bed.build()
    rows = bed.rows(
        "SELECT pain_score_key, is_day_highest, n_scores_that_day, exclusion_reason"
        " FROM core.pain_score ORDER BY pain_score_key"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("a/o1", True, 4, None),
        ("a/o2", False, 4, "not the highest of its day"),
        ("a/o3", False, 4, "not the highest of its day"),
        ("a/o4", False, 4, "not the highest of its day"),
        ("a/o5", False, 0, "out of range"),
    ]
    assert bed.column("SELECT n_scores_that_day FROM core.pain_timeline") == [4]


@pytest.mark.parametrize(
    ("deceased", "day", "reason"),
    [
        ("2020-05-10", "2020-05-10", None),
        ("2020-05-10T23:59:00+02:00", "2020-05-10", None),
        ("2020-05-10", "2020-05-11", "after death"),
        ("2020-05-10", "2021-07-01", "after death"),
        ("2020-05", "2020-05-31", None),
        ("2020-05", "2020-06-01", "after death"),
        ("2021-07-10", "2021-07-11", "after the data lock"),
    ],
)
def test_nothing_counts_after_death(deceased: str, day: str, reason: str | None) -> None:
    bed = Bed()
    bed.treated(day=INDEX)
    bed.rows_to_insert["flat.patient"] = []
    bed.patient(deceased_text=deceased)
    bed.score("o1", 7, day)
    bed.build()
    assert bed.column("SELECT exclusion_reason FROM core.pain_score") == [reason]


def test_days_and_hours_from_the_index_are_told() -> None:
    bed = Bed()
    bed.treated(day=AT_NINE)
    bed.score("o1", 7, "2020-03-11T10:30:00+01:00")
    bed.score("o2", 7, "2020-03-12")
    bed.build()
    assert bed.rows(
        "SELECT day_from_index, hours_from_index, scored_precision"
        " FROM core.pain_score ORDER BY pain_score_key"
    ) == [
        {"day_from_index": 1, "hours_from_index": 25.5, "scored_precision": "instant"},
        {"day_from_index": 2, "hours_from_index": None, "scored_precision": "day"},
    ]


def test_scores_of_patients_outside_the_cohort_are_not_kept() -> None:
    bed = Bed()
    bed.patient("p2")
    bed.score("o1", 7, INDEX, patient="p2")
    bed.build()
    assert bed.rows("SELECT * FROM core.pain_score") == []


def test_windows_follow_the_study_rules() -> None:
    bed = Bed()
    bed.rule |= {"baseline_from_day": -7, "h24_to_hours": 36, "month1_to_day": 31, "last_from_day": 60}
    bed.treated(day=INDEX)
    for name, day in (("o1", "2020-03-02"), ("o2", "2020-03-12"), ("o3", "2020-04-11"), ("o4", "2020-05-08")):
        bed.score(name, 5, day)
    bed.build()
    assert bed.rows("SELECT * FROM core.pain_timeline") == []
