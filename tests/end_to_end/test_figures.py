"""After one night over HTTP every figure is the one that other libraries computed from the cohort's rows."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from outcomes.comparison import compare
from outcomes.publication import load_publication
from tests.end_to_end.conftest import Night1, value

COHORT = Path(__file__).parents[1] / "fixtures" / "paper-cohort"
REFERENCE: dict[str, Any] = json.loads((COHORT / "reference-results.json").read_text(encoding="utf-8"))
PROPORTIONS = {
    "women": "women",
    "painful_patients": "painful_patients",
    "cementoplasty": "cementoplasty_lesions",
    "pain_free_last": "pain_free_last",
    "local_control": "local_control_lesions",
    "complications_per_lesion": "complications_per_lesion",
    "complications_major": "major_per_lesion",
    "complications_minor": "minor_per_lesion",
    "patients_with_complication": "patients_with_complication",
}

PUBLICATION = load_publication(Path(__file__).parents[2] / "config/publications/cazzato-2022.toml")


def rows(name: str) -> list[dict[str, str]]:
    with (COHORT / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(("metric", "reference"), PROPORTIONS.items())
def test_each_proportion_has_the_reference_fraction_and_interval(
    first_night: Night1, metric: str, reference: str
) -> None:
    expected = REFERENCE["proportions"][reference]
    (found,) = [
        r
        for r in first_night.refreshed.results
        if (r.metric, r.statistic, r.group) == (metric, "proportion", "all")
    ]
    assert (found.numerator, found.denominator) == (expected["k"], expected["n"])
    interval = expected["wilson" if found.method.startswith("Wilson") else "clopper_pearson"]
    assert [100 * (found.ci_low or 0), 100 * (found.ci_high or 0)] == pytest.approx(interval, abs=0.006)


@pytest.mark.parametrize("time", ["24h", "1m", "last"])
def test_each_pain_change_and_its_tests_are_those_of_the_reference(first_night: Night1, time: str) -> None:
    expected, results = REFERENCE["pain"][time], first_night.refreshed.results
    metric = f"nprs_{time}"
    assert value(results, metric, "mean_change") == pytest.approx(expected["mean_change"], abs=5e-5)
    assert value(results, metric, "p_wilcoxon") == pytest.approx(expected["p_wilcoxon"], rel=1e-9)
    assert value(results, metric, "p_ttest") == pytest.approx(expected["p_t"], rel=1e-9)
    assert value(results, metric, "p_holm") == pytest.approx(expected["p_wilcoxon_holm"], rel=1e-9)


@pytest.mark.parametrize("months", ["12", "24", "36"])
def test_kaplan_meier_is_that_of_the_reference(first_night: Night1, months: str) -> None:
    expected = REFERENCE["local_control"]["kaplan_meier"][months]["survival"]
    # The cohort's months are whole, the servers' days rounded from them: the order of events is the same.
    found = value(first_night.refreshed.results, "local_control_survival", f"survival_{months}m")
    assert found == pytest.approx(expected, abs=5e-5)


def test_age_is_that_of_the_reference(first_night: Night1) -> None:
    results = first_night.refreshed.results
    assert [value(results, "age", name) for name in ("median", "q1", "q3")] == [
        REFERENCE["age"][name] for name in ("median", "q1", "q3")
    ]


@pytest.mark.parametrize("center", ["A", "B"])
def test_each_center_has_its_own_figures(first_night: Night1, center: str) -> None:
    results, group = first_night.refreshed.results, f"center={center.lower()}"
    assert value(results, "patients", "count", group) == REFERENCE["centers"]["patients"][center]
    assert value(results, "lesions", "count", group) == REFERENCE["centers"]["lesions"][center]
    pain_free, painful = REFERENCE["centers"]["pain_free_last"][center]
    assert value(results, "pain_free_last", "proportion", group) == pytest.approx(pain_free / painful)


def test_every_printed_figure_agrees_but_for_the_two_known_reasons(first_night: Night1) -> None:
    comparisons = compare(first_night.refreshed.results, PUBLICATION)
    assert len(comparisons) > 40
    assert [row.figure for row in comparisons if row.state == "different"] == []
    assert [row.computed for row in comparisons if row.state == "known difference"] == ["8.6", "2.6"]


def test_every_score_of_every_patient_arrives_at_its_time(first_night: Night1) -> None:
    """Not only the totals: the multiset of whole score histories, by center."""
    expected = sorted(
        (p["center"].lower(), *(float(p[k]) for k in ("nprs_baseline", "nprs_24h", "nprs_1m", "nprs_last")))
        for p in rows("patients.csv")
        if p["painful"] == "yes"
    )
    found = first_night.study.mart(
        "SELECT center_id, max(score) FILTER (time_point = 'baseline') AS b, "
        "max(score) FILTER (time_point = '24h') AS d, max(score) FILTER (time_point = '1m') AS m, "
        "max(score) FILTER (time_point = 'last') AS l "
        "FROM core.pain_timeline JOIN core.patient USING (patient_key, center_id) "
        "WHERE is_painful GROUP BY center_id, patient_key"
    )
    assert sorted(tuple(row.values()) for row in found) == expected


def test_every_lesion_arrives_with_level_cement_and_intent(first_night: Night1) -> None:
    expected = sorted(
        (x["center"].lower(), x["level"], x["cement"] == "yes", x["intent"]) for x in rows("lesions.csv")
    )
    found = first_night.study.mart("SELECT center_id, level, has_cementoplasty, intent FROM core.lesion")
    assert sorted(tuple(row.values()) for row in found) == expected
