"""What the study asks for, statistic by statistic: each has a value for the cohort, and is shown."""

import pytest
from outcomes_testbed import RUN

from outcomes.metric import load_metrics
from outcomes.report.estimates import everything
from outcomes.report.parts import groups
from outcomes.results import ALL, Results

PAIRED = (
    "mean_change", "sd_change", "hodges_lehmann", "dz", "rank_biserial", "p_wilcoxon", "p_ttest", "p_holm",
)  # fmt: skip
SUMMARY = ("mean", "sd", "median", "q1", "q3", "min", "max", "missing")
CLUSTERED = ("proportion", "proportion_gee", "proportion_bootstrap")
RESPONSES = ("proportion[points]", "proportion[percent]", "proportion[percent_high]")
AT = ("12m", "24m", "36m")

# By what is asked: the metrics and their statistics over all centers.
ASKED = {
    "proportions": (("women", "painful_patients", "pain_free_last"), ("proportion",)),
    "exact proportions": (("patients_with_complication",), ("proportion",)),
    "lesion proportions": (("cementoplasty", "local_control", "complications_per_lesion"), CLUSTERED),
    "change in pain": (("nprs_24h", "nprs_1m", "nprs_last"), PAIRED),
    "centers pooled": (("nprs_24h_stratified", "nprs_last_stratified"), ("stratified_change",)),
    "trajectory": (
        ("pain_trajectory",),
        tuple(f"{kind}_change[{time}]" for kind in ("model", "gee") for time in ("24h", "1m", "last")),
    ),
    "responders": (("responders_24h", "responders_1m", "responders_last"), RESPONSES),
    "worst case, carried forward": (
        ("nprs_1m_worst_case", "nprs_last_carried_forward", "nprs_last_until_repeat"),
        ("mean_change", "p_wilcoxon"),
    ),
    "local control over time": (
        ("local_control_survival",),
        tuple(f"{kind}_{at}" for at in AT for kind in ("survival", "at_risk")),
    ),
    "local control by patient": (
        ("local_control_survival",),
        tuple(f"survival_{at}_bootstrap" for at in AT),
    ),
    "competing death": (
        ("local_progression",),
        tuple(f"incidence{kind}_{at}" for at in AT for kind in ("", "_competing", "_naive")),
    ),
    "overall survival": (("overall_survival",), (*(f"survival_{at}" for at in AT), "median")),
    "follow-up": (("followup", "pain_followup", "local_control_followup"), SUMMARY),
    "reverse Kaplan-Meier": (("followup_reverse",), ("median",)),
    "complications": (
        tuple(f"complications_{of}" for of in ("per_lesion", "per_session", "major", "minor")),
        CLUSTERED,
    ),
    "complications by class": (
        tuple(f"complications_by_grade_per_{unit}" for unit in ("lesion", "session", "patient")),
        ("proportion[class major]", "proportion[class minor]"),
    ),
    "Table 1": (("age",), SUMMARY),
    "missing scores": (("pain_scores_present",), tuple(f"proportion[{t}]" for t in ("24h", "1m", "last"))),
}  # fmt: skip
# Between the centers: differences, tests, strata, standardized differences.
BETWEEN = {
    "pain_free_last": ("difference", "p_fisher"),
    "nprs_last": ("difference",),
    "local_control_survival": ("difference_12m", "p_logrank"),
    "pain_free_last_by_baseline": ("difference_stratified", "p_cmh"),
    "local_control_by_region": ("difference_stratified", "p_cmh"),
    "patients_with_complication_by_lesions": ("difference_stratified", "p_cmh"),
    "age": ("smd",),
    "sex": ("smd",),
    "primary_tumor": ("smd",),
    "lesion_region": ("smd",),
}


@pytest.mark.parametrize("asked", ASKED)
def test_every_statistic_that_is_asked_for_has_a_value(results: Results, asked: str) -> None:
    metrics, statistics = ASKED[asked]
    for metric in metrics:
        for statistic in statistics:
            found = results.get(metric, statistic)
            assert found is not None, (metric, statistic)
            assert found.value is not None, (metric, statistic, found.note)
            assert found.run_id == RUN


@pytest.mark.parametrize("metric", BETWEEN)
def test_the_centers_are_compared(results: Results, metric: str) -> None:
    for statistic in BETWEEN[metric]:
        found = results.get(metric, statistic, "centers=a,b")
        assert found is not None, statistic
        assert found.value is not None, (statistic, found.note)


def test_shares_tests_and_curves_carry_an_interval_or_a_p_value(results: Results) -> None:
    for metric, statistic in [("pain_free_last", "proportion"), ("nprs_last", "mean_change"),
                              ("nprs_last", "hodges_lehmann"), ("local_control_survival", "survival_12m"),
                              ("local_progression", "incidence_24m"), ("followup_reverse", "median"),
                              ("nprs_last_stratified", "stratified_change")]:  # fmt: skip
        found = results.get(metric, statistic)
        assert found is not None
        assert found.value is not None
        assert None not in (found.ci_low, found.ci_high), (metric, statistic)
        assert (found.ci_low or 0) <= found.value <= (found.ci_high or 0)


def test_the_appendix_shows_every_statistic_of_every_metric(results: Results) -> None:
    table = everything(load_metrics(), results, groups([("a", "A"), ("b", "B")]), caption="Every figure")
    shown = [line for line in table.lines if not line.is_heading]
    assert len(shown) == len({(result.metric, result.statistic) for result in results})
    of_all = {line.cells[0] for line in shown if line.cells[1]}
    assert {
        r.statistic.replace("_", " ") for r in results if r.group == ALL and r.value is not None
    } <= of_all
