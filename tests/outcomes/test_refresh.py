"""Every figure of the synthetic cohort against results made by independent libraries."""

import datetime as dt
import math
from collections import Counter
from typing import Any

import pytest
from outcomes_testbed import (
    DAYS_PER_MONTH,
    RUN,
    empty_core,
    fill_core,
    lesions,
    patients,
    reference,
    refreshed,
    stored,
)

from outcomes.curves import curve_of
from outcomes.metric import load_metrics
from outcomes.refresh import compute, refresh
from outcomes.results import Results
from warehouse.connection import Warehouse

SHARES = {
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
TIMES = {"nprs_24h": "24h", "nprs_1m": "1m", "nprs_last": "last"}


@pytest.mark.parametrize(("metric", "name"), list(SHARES.items()))
def test_shares_and_intervals_equal_the_reference(results: Results, metric: str, name: str) -> None:
    expected = reference()["proportions"][name]
    found = results.get(metric, "proportion")
    assert found is not None
    assert (found.numerator, found.denominator, found.n) == (expected["k"], expected["n"], expected["n"])
    assert found.value == pytest.approx(expected["k"] / expected["n"], abs=1e-12)
    interval = expected["wilson" if found.method.startswith("Wilson") else "clopper_pearson"]
    assert [100 * (found.ci_low or 0), 100 * (found.ci_high or 0)] == pytest.approx(interval, abs=0.0051)


@pytest.mark.parametrize(("metric", "time"), list(TIMES.items()))
def test_changes_in_pain_equal_the_reference(results: Results, metric: str, time: str) -> None:
    expected = reference()["pain"][time]
    change = results.get(metric, "mean_change")
    assert change is not None
    assert change.n == expected["n"]
    assert change.value == pytest.approx(expected["mean_change"], abs=5.1e-5)
    assert [change.ci_low, change.ci_high] == pytest.approx(expected["ci_t"], abs=5.1e-5)
    for statistic, key in (("p_ttest", "p_t"), ("p_wilcoxon", "p_wilcoxon"), ("p_holm", "p_wilcoxon_holm")):
        found = results.get(metric, statistic)
        assert found is not None
        assert found.value == pytest.approx(expected[key], rel=1e-9)
    wilcoxon = results.get(metric, "p_wilcoxon")
    assert wilcoxon is not None
    assert (
        wilcoxon.note == f"tested without the {expected['zero_differences']} of 64 pairs that did not change"
    )


@pytest.mark.parametrize("time", ["24h", "1m", "last"])
def test_responders_equal_the_reference(results: Results, time: str) -> None:
    expected = reference()["pain"][time]
    names = {
        "points": "responder_2_points",
        "percent": "responder_30_pct",
        "percent_high": "responder_50_pct",
    }
    for category, name in names.items():
        found = results.get(f"responders_{time}", f"proportion[{category}]")
        assert found is not None
        assert (found.numerator, found.denominator) == (expected[name]["k"], expected[name]["n"])
        interval = expected[name]["wilson" if found.method.startswith("Wilson") else "clopper_pearson"]
        assert [100 * (found.ci_low or 0), 100 * (found.ci_high or 0)] == pytest.approx(interval, abs=0.0051)


@pytest.mark.parametrize("months", [12, 24, 36])
def test_local_progression_equals_the_reference(results: Results, months: int) -> None:
    expected = reference()["local_progression_cumulative_incidence"][str(months)]
    found = results.get("local_progression", f"incidence_{months}m")
    naive = results.get("local_progression", f"incidence_naive_{months}m")
    assert found is not None
    assert naive is not None
    assert found.value == pytest.approx(expected["aalen_johansen"], abs=5.1e-5)
    assert naive.value == pytest.approx(expected["one_minus_km_death_censored"], abs=5.1e-5)


def test_follow_up_and_the_centers_equal_the_reference(results: Results) -> None:
    expected = reference()
    median = results.get("followup_reverse", "median")
    fisher = results.get("pain_free_last", "p_fisher", "centers=a,b")
    assert median is not None
    assert fisher is not None
    assert median.value == pytest.approx(expected["follow_up"]["reverse_km_median_months"], abs=0.02)
    assert fisher.value == pytest.approx(expected["centers"]["fisher_p"], abs=5e-5)


def test_lesion_shares_have_the_cluster_interval_of_the_reference(results: Results) -> None:
    names = {"complications_per_lesion": "complications_per_lesion", "local_control": "local_control_lesions"}
    for metric, name in names.items():
        found = results.get(metric, "proportion_gee")
        assert found is not None
        expected = reference()["proportions"][name]["gee_logit_cluster"]
        assert [100 * (found.ci_low or 0), 100 * (found.ci_high or 0)] == pytest.approx(expected, abs=0.0051)


@pytest.mark.parametrize("months", [12, 24, 36])
def test_local_control_over_time_equals_the_reference(results: Results, months: int) -> None:
    expected = reference()["local_control"]["kaplan_meier"][str(months)]
    found = results.get("local_control_survival", f"survival_{months}m")
    at_risk = results.get("local_control_survival", f"at_risk_{months}m")
    assert found is not None
    assert at_risk is not None
    assert found.value == pytest.approx(expected["survival"], abs=5.1e-5)
    assert [found.ci_low, found.ci_high] == pytest.approx(expected["greenwood_loglog"], abs=5.1e-5)
    assert at_risk.value == expected["at_risk"]
    assert found.n == reference()["local_control"]["lesions"]


def test_age_centers_and_deaths_equal_the_reference(results: Results) -> None:
    expected = reference()
    for statistic in ("median", "q1", "q3"):
        found = results.get("age", statistic)
        assert found is not None
        assert found.value == expected["age"][statistic]
    for center in ("A", "B"):
        group = f"center={center.lower()}"
        for metric in ("patients", "lesions"):
            count = results.get(metric, "count", group)
            assert count is not None
            assert count.value == expected["centers"][metric][center]
        free = results.get("pain_free_last", "proportion", group)
        assert free is not None
        assert [free.numerator, free.denominator] == expected["centers"]["pain_free_last"][center]
    deaths, contact = results.get("deaths", "proportion"), results.get("followup", "median")
    assert deaths is not None
    assert contact is not None
    assert deaths.numerator == expected["follow_up"]["deaths"]
    assert contact.value == pytest.approx(expected["follow_up"]["last_contact_median_months"], abs=0.02)


def test_follow_up_is_in_months_of_the_study_rule(results: Results) -> None:
    months = [int(p["pain_followup_months"]) for p in patients() if p["painful"] == "yes"]
    days = [30 if m == 1 else round(m * DAYS_PER_MONTH) for m in months]
    found = results.get("pain_followup", "mean")
    assert found is not None
    assert found.value == pytest.approx(math.fsum(days) / 64 / DAYS_PER_MONTH, rel=1e-12)


def test_every_result_has_a_number_or_a_reason(results: Results) -> None:
    for result in results:
        if result.value is None:
            assert result.note.startswith("not assessable: "), result
        else:
            assert math.isfinite(result.value), result
            assert (result.ci_low is None) == (result.ci_high is None), result
            if result.ci_low is not None and result.ci_high is not None:
                assert result.ci_low <= result.value <= result.ci_high, result
            assert result.version
            assert result.rules is not None


def test_counts_of_the_centers_add_up_to_all(results: Results) -> None:
    whole, parts = Counter[str](), Counter[str]()
    for result in results:
        if result.statistic == "count":
            (whole if result.group == "all" else parts)[result.metric] += int(result.value or 0)
    assert whole == parts
    assert len(whole) == 6


def test_refresh_returns_what_it_stores_and_appends(warehouse: Warehouse) -> None:
    returned = sorted(refreshed(warehouse), key=lambda r: (r.metric, r.group, r.statistic))
    assert stored(warehouse) == returned
    with warehouse.transaction() as tx:
        refresh(tx, RUN + 1)
    assert len(stored(warehouse)) == 2 * len(returned)


def test_a_cohort_that_no_file_makes_any_more_is_dropped(warehouse: Warehouse) -> None:
    refreshed(warehouse)
    with warehouse.transaction() as tx:
        tx.execute("CREATE TABLE outcomes.former (patient_key TEXT)")
        refresh(tx, RUN + 1)
    tables = warehouse.rows("SELECT table_name AS name FROM duckdb_tables() WHERE schema_name = 'outcomes'")
    assert {table["name"] for table in tables} == {
        "curative_lesion",
        "graded_complication",
        "painful_patient",
        "pain_assessment",
        "responder",
        "metric_result",
        "curve_result",
    }


def test_every_metric_gives_results_for_all_each_center_and_their_contrast(results: Results) -> None:
    found = {(result.metric, result.group) for result in results}
    groups = {"all": ["all"], "center": ["center=a", "center=b"]}
    expected = {(m.metric, group) for m in load_metrics() for kind in m.groups for group in groups[kind]}
    expected |= {(metric.metric, "centers=a,b") for metric in load_metrics() if metric.contrast}
    assert found == expected


def test_an_empty_cohort_is_not_assessable_and_does_not_fail(warehouse: Warehouse) -> None:
    with warehouse.transaction() as tx:
        empty_core(tx)
        found = refresh(tx, RUN)
    assert {result.group for result in found} == {"all"}
    zero = [r for r in found if r.statistic in ("count", "missing") or r.statistic.startswith("at_risk")]
    assert {r.value for r in zero} == {0.0}
    others = [r for r in found if r not in zero]
    assert others
    assert all(r.value is None and r.note.startswith("not assessable: ") for r in others)


def test_a_patient_without_a_last_score_is_missing_not_in_pain(warehouse: Warehouse) -> None:
    with warehouse.transaction() as tx:
        fill_core(tx)
        tx.execute(
            "DELETE FROM core.pain_timeline WHERE time_point = 'last' AND patient_key = (SELECT "
            "min(patient_key) FROM core.pain_timeline WHERE time_point = 'last' AND score = 0)"
        )
        found = Results(refresh(tx, RUN))
    free, change = found.get("pain_free_last", "proportion"), found.get("nprs_last", "mean_change")
    assert free is not None
    assert change is not None
    assert (free.numerator, free.denominator) == (33, 63)
    assert free.note == "1 of 64 without a value left out"
    assert change.n == 63


def test_of_two_assessments_on_one_day_progression_leads(warehouse: Warehouse) -> None:
    with warehouse.transaction() as tx:
        fill_core(tx)
        tx.execute(
            "INSERT INTO core.local_control SELECT local_control_key || '/again', center_id, patient_key, "
            "lesion_key, months_from_treatment, 'progression', TRUE FROM core.local_control "
            "WHERE local_control_key = 'P03-L1/0'"
        )
        refresh(tx, RUN)
        (row,) = tx.rows(
            "SELECT is_controlled, has_progressed FROM outcomes.curative_lesion WHERE lesion_key IN "
            "(SELECT lesion_key FROM core.local_control WHERE local_control_key = 'P03-L1/0')"
        )
    assert row == {"is_controlled": False, "has_progressed": True}


def test_more_complications_than_lesions_is_no_share(warehouse: Warehouse) -> None:
    with warehouse.transaction() as tx:
        fill_core(tx)
        for _ in range(4):
            tx.execute(
                "INSERT INTO core.complication "
                "SELECT * REPLACE (uuid()::TEXT AS complication_key) FROM core.complication"
            )
        found = Results(refresh(tx, RUN)).get("complications_per_lesion", "proportion")
    assert found is not None
    assert (found.value, found.numerator, found.denominator) == (None, 144, 105)


def test_row_order_does_not_change_a_single_figure(published: Warehouse, results: Results) -> None:
    class Reversed:
        def rows(self, sql: str) -> list[dict[str, object]]:
            return published.rows(sql)

        def columns(self, sql: str) -> dict[str, Any]:
            with published.transaction() as tx:
                return {name: column[::-1] for name, column in tx.columns(sql).items()}

    found = Results(compute(Reversed(), RUN, load_metrics()).results)  # type: ignore[arg-type]
    assert {(r.metric, r.group, r.statistic): r for r in found} == {
        (r.metric, r.group, r.statistic): r for r in results
    }


def test_the_published_curve_gives_the_figures_and_its_numbers_at_risk(
    published: Warehouse, results: Results
) -> None:
    for group in ("all", "center=a", "center=b"):
        rows = published.rows(
            'SELECT * FROM outcomes.curve_result WHERE metric = ? AND "group" = ? '
            "ORDER BY months, at_risk DESC",
            ["local_control_survival", group],
        )
        curve = curve_of(rows)
        assert {(row["run_id"], row["version"], row["curve"]) for row in rows} == {(RUN, 2, "survival")}
        assert (rows[0]["months"], rows[0]["estimate"]) == (0, 1)
        for months in (12, 24, 36):
            survival = results.get("local_control_survival", f"survival_{months}m", group)
            at_risk = results.get("local_control_survival", f"at_risk_{months}m", group)
            assert survival is not None
            assert at_risk is not None
            assert curve.at_risk(months) == at_risk.value
            if survival.value is not None:
                point = curve.at(months)
                assert (point.estimate, point.low) == (survival.value, survival.ci_low)
        assert curve.total == sum(p.events + p.competing + p.censored for p in curve.points)


def test_a_run_replaces_the_curves_of_the_run_before(warehouse: Warehouse) -> None:
    refreshed(warehouse)
    with warehouse.transaction() as tx:
        refresh(tx, RUN + 1)
    assert warehouse.rows("SELECT DISTINCT run_id FROM outcomes.curve_result") == [{"run_id": RUN + 1}]


def test_a_result_says_which_version_and_rules_it_is_of(results: Results) -> None:
    found = results.get("nprs_1m", "mean_change")
    assert found is not None
    assert found.version == 1
    assert found.rules == (
        "baseline_from_day = -30; baseline_to_day = 0; month1_from_day = 21; month1_to_day = 45; "
        "month1_target_day = 30"
    )


FATES = {
    "died before the window": (dt.date(2015, 6, 1), 5, 5),
    "data locked before the window": (dt.date(2021, 6, 20), None, 5),
    "no contact from the window on": (dt.date(2015, 6, 1), None, 2),
    "no usable score in the window": (dt.date(2015, 6, 1), None, 900),
}


def test_missing_scores_are_counted_by_reason_and_filled_only_where_due(warehouse: Warehouse) -> None:
    with warehouse.transaction() as tx:
        fill_core(tx)
        patients_of = tx.rows(
            "SELECT patient_key FROM core.pain_timeline WHERE time_point = 'baseline' ORDER BY patient_key"
        )
        for row, (index_date, death_day, contact_day) in zip(patients_of, FATES.values(), strict=False):
            tx.execute(
                "UPDATE core.patient SET index_date = $index, is_dead = $death IS NOT NULL, "
                "death_date = $index + $death, last_contact_date = $index + $contact "
                "WHERE patient_key = $patient",
                {
                    "index": index_date,
                    "death": death_day,
                    "contact": contact_day,
                    "patient": row["patient_key"],
                },
            )
            tx.execute(
                "DELETE FROM core.pain_timeline WHERE time_point IN ('1m', 'last') AND patient_key = ?",
                [row["patient_key"]],
            )
        found = Results(refresh(tx, RUN))
    for reason in FATES:
        count = found.get("pain_scores_missing", f"count[1m: {reason}]")
        assert count is not None, reason
        assert count.value == 1
    present = found.get("pain_scores_present", "proportion[1m]")
    assert present is not None
    assert (present.numerator, present.denominator) == (60, 62)
    # The dead one and the one whose data were locked get no score in any analysis.
    for metric, n in (("nprs_1m", 60), ("nprs_1m_worst_case", 62), ("nprs_last_carried_forward", 62)):
        mean = found.get(metric, "mean")
        assert mean is not None
        assert mean.n == n


def test_scores_after_the_second_session_do_not_count_in_the_sensitivity_analysis(results: Results) -> None:
    second = {row["patient_id"]: row["procedure_date"] for row in lesions() if row["session"] == "2"}
    expected = []
    for p in patients():
        if p["painful"] == "yes":
            last = dt.date.fromisoformat(p["index_date"]) + dt.timedelta(
                days=round(int(p["pain_followup_months"]) * DAYS_PER_MONTH)
            )
            is_late = p["patient_id"] in second and last.isoformat() >= second[p["patient_id"]]
            expected.append(float(p["nprs_1m" if is_late else "nprs_last"]))
    early, primary = results.get("nprs_last_until_repeat", "mean"), results.get("nprs_last", "mean")
    assert early is not None
    assert primary is not None
    assert early.value == pytest.approx(math.fsum(expected) / len(expected), rel=1e-12)
    assert early.value != primary.value
