"""Tiny and degenerate cohorts: a number or a clear reason everywhere, never NaN, a warning or a crash."""

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress

import pytest
from outcomes_testbed import RUN, fill_core

from outcomes.refresh import refresh
from outcomes.results import MetricResult
from warehouse.connection import Warehouse
from warehouse.names import with_names

PEOPLE = ("core.patient", "core.pain_timeline", "core.pain_score", "core.session", "core.treatment",
          "core.lesion", "core.local_control", "core.complication")  # fmt: skip
FIRST = "SELECT min(patient_key) FROM core.patient WHERE is_painful"
EACH_CENTER = "SELECT min(patient_key) FROM core.patient WHERE is_painful GROUP BY center_id"
CURATIVE = "SELECT min(patient_key) FROM core.lesion WHERE intent = 'curative'"


def only(chosen: str) -> list[str]:
    """Leaves only the patients that the query `chosen` gives."""
    kept = [chosen, *["SELECT patient_key FROM core.patient"] * (len(PEOPLE) - 1)]
    statement = "DELETE FROM {table} WHERE patient_key NOT IN"
    return [
        f"{with_names(statement, table=table)} ({query})" for table, query in zip(PEOPLE, kept, strict=True)
    ]


DEAD_AT_ONCE = (
    "UPDATE core.patient SET is_dead = TRUE, death_date = index_date, last_contact_date = index_date, "
    "follow_up_days = 0"
)
ONE_A_LESION = (
    "INSERT INTO core.complication BY NAME SELECT lesion_key AS complication_key, center_id, patient_key, "
    "patient_key || '/x' AS session_key, 'major' AS class, 'CIRSE' AS scale, '3' AS grade FROM core.lesion"
)
TWICE = "INSERT INTO {table} SELECT * REPLACE (patient_key || '2' AS patient_key) FROM {table}"
RELABELLED = "UPDATE {table} SET patient_key = md5(patient_key)"

CASES: dict[str, list[str]] = {
    "one patient": only(FIRST),
    "one patient with a curative lesion": only(CURATIVE),
    "one patient a center": only(EACH_CENTER),
    "two patients, one of them twice the other": [
        *only(FIRST),
        *(with_names(TWICE, table=t) for t in PEOPLE),
        (
            "UPDATE core.complication SET complication_key = complication_key || '2' "
            "WHERE ends_with(patient_key, '2')"
        ),
    ],
    "all scores zero": ["UPDATE core.pain_timeline SET score = 0", "UPDATE core.pain_score SET score = 0"],
    "all scores alike": ["UPDATE core.pain_timeline SET score = 5"],
    "no score at all": ["DELETE FROM core.pain_timeline", "DELETE FROM core.pain_score"],
    "baselines only": ["DELETE FROM core.pain_timeline WHERE time_point <> 'baseline'"],
    "all lesions controlled": ["UPDATE core.local_control SET status = 'controlled'"],
    "all lesions progress on one day": [
        "UPDATE core.local_control SET status = 'progression', months_from_treatment = 3"
    ],
    "no assessment": ["DELETE FROM core.local_control"],
    "everybody died on the index day": [DEAD_AT_ONCE],
    "nobody died": ["UPDATE core.patient SET is_dead = FALSE, death_date = NULL"],
    "no complication": ["DELETE FROM core.complication"],
    "a complication at every lesion": ["DELETE FROM core.complication", ONE_A_LESION],
    "nothing coded": [
        "UPDATE core.patient SET sex = NULL, age_at_index_years = NULL, primary_concept = NULL",
        "UPDATE core.lesion SET level = NULL, region = NULL, intent = NULL",
        "UPDATE core.complication SET class = NULL, scale = NULL, grade = NULL",
    ],
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    with Warehouse.open(tmp_path_factory.mktemp("tiny")) as opened:
        yield opened


@pytest.fixture(scope="module")
def usual(place: Warehouse) -> list[MetricResult]:
    return refreshed(place, [])


class Undone(Exception):  # noqa: N818
    """Ends a transaction without keeping it."""


def refreshed(place: Warehouse, statements: Sequence[str]) -> list[MetricResult]:
    found: list[MetricResult] = []
    with suppress(Undone), place.transaction() as tx:
        fill_core(tx)
        for statement in statements:
            tx.execute(statement)
        found = refresh(tx, RUN)
        raise Undone
    return found


@pytest.mark.parametrize("case", CASES)
def test_every_figure_is_a_finite_number_or_says_why_not(
    place: Warehouse, usual: list[MetricResult], case: str
) -> None:
    found = refreshed(place, CASES[case])
    assert found != usual
    for result in found:
        if result.value is None:
            assert result.note.startswith("not assessable: "), result
            assert (result.ci_low, result.ci_high) == (None, None), result
        else:
            numbers = [n for n in (result.value, result.ci_low, result.ci_high) if n is not None]
            assert all(map(math.isfinite, numbers)), result
            if result.statistic.startswith(("proportion", "survival", "incidence", "p_")):
                assert all(-1e-12 <= n <= 1 + 1e-12 for n in numbers), result


def test_relabelled_patients_give_the_same_figures(place: Warehouse, usual: list[MetricResult]) -> None:
    relabelled = [with_names(RELABELLED, table=table) for table in PEOPLE]
    assert refreshed(place, relabelled) == usual
