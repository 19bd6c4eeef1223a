"""Core: the days on which a cohort patient was seen, from the index date to death or the data lock."""

from datetime import date

from core_testbed import Bed

INDEX = "2020-03-10"


def days(bed: Bed, columns: str) -> list[tuple[object, ...]]:
    rows = bed.rows(f"SELECT {columns} FROM core.followup ORDER BY contact_date")  # noqa: S608
    return [tuple(row.values()) for row in rows]


def test_each_day_is_one_row_that_says_what_happened() -> None:
    bed = Bed()
    bed.treated(day=INDEX)
    bed.score("o1", 7, "2020-06-01")
    bed.score("o2", 6, "2020-06-01", run_id=4)
    bed.assessment("a1", "controlled", "2020-06-01")
    bed.assessment("a2", "controlled", "2020-09-01")
    bed.build()
    columns = "days_from_index, n_pain_scores, n_assessments, n_procedures, is_last, run_id, resource_key"
    assert days(bed, columns) == [
        (0, 0, 0, 1, False, 1, "a/x-p1"),
        (83, 2, 1, 0, False, 4, "a/a1"),
        (175, 0, 1, 0, True, 1, "a/a2"),
    ]


def test_history_what_is_no_contact_and_what_comes_too_late_is_left_out() -> None:
    bed = Bed()
    bed.treated(day=INDEX)
    bed.score("o1", 7, "2020-03-09")
    bed.score("o2", 7, "2020-04-01", status="entered-in-error")
    bed.procedure("x2", day="2020-05-01", codes={}, status="not-done")
    bed.score("o3", 7, "2020-06")
    bed.score("o4", 7, "2021-07-01")
    bed.build()
    assert days(bed, "contact_date, is_last") == [(date(2020, 3, 10), True)]


def test_the_day_of_death_is_the_last_one() -> None:
    bed = Bed()
    bed.patient(deceased_text="2020-12-24")
    bed.metastasis("c1", "T8")
    bed.cryoablation("x1", "c1", day=INDEX)
    bed.score("o1", 5, "2020-12-24")
    bed.score("o2", 5, "2020-12-25")
    bed.build()
    assert days(bed, "contact_date, n_pain_scores, is_death, is_last, resource_type")[1:] == [
        (date(2020, 12, 24), 1, True, True, "Patient")
    ]
    months = bed.column("SELECT months_from_index FROM core.followup WHERE is_death")
    assert months == [289 / 30.4375]


def test_a_patient_who_died_before_the_treatment_has_no_follow_up() -> None:
    bed = Bed()
    bed.patient(deceased_text="2020-03-09")
    bed.metastasis("c1", "T8")
    bed.cryoablation("x1", "c1", day=INDEX)
    bed.build()
    assert days(bed, "*") == []
