"""What is wrong on the servers changes no figure, and each item is seen with its reason."""

import pytest

from tests.end_to_end.conftest import Night1

CENTERS = ("a", "b")


@pytest.mark.parametrize("center", CENTERS)
@pytest.mark.parametrize(
    ("step", "reason", "least"),
    [
        ("completed", "status entered-in-error", 1),
        ("completed", "status not-done", 1),
        ("completed", "status in-progress", 1),
        ("cryoablation", "other ablation technique", 1),
        ("vertebral site", "body site is not a vertebra", 1),
        ("pain scores usable", "status entered-in-error", 1),
        ("pain scores usable", "out of range", 1),
        ("pain scores usable", "scale is not the 0-10 numeric rating: vas", 1),
        ("pain scores usable", "not the highest of its day", 1),
        ("assessments usable", "no lesion focus", 1),
        ("reports of a session", "event is not actual", 1),
    ],
)
def test_each_exclusion_is_counted_with_its_reason(
    first_night: Night1, center: str, step: str, reason: str, least: int
) -> None:
    found = {
        (row["center_id"], row["step"], row["reason"]): row["excluded"]
        for row in first_night.study.mart("SELECT center_id, step, reason, excluded FROM core.flow")
    }
    assert found.get((center, step, reason), 0) >= least, sorted(key for key in found if key[0] == center)


def test_a_score_after_death_is_counted_where_a_date_of_death_is_known(first_night: Night1) -> None:
    rows = first_night.study.mart("SELECT center_id, excluded FROM core.flow WHERE reason = 'after death'")
    assert ("a", 1) in [(row["center_id"], row["excluded"]) for row in rows]


@pytest.mark.parametrize("center", CENTERS)
def test_each_invalid_resource_is_in_quarantine_with_rule_path_and_body(
    first_night: Night1, center: str
) -> None:
    faults = first_night.study.work(
        "SELECT rule, path, body FROM ops.quarantine WHERE is_open AND center_id = ?", [center]
    )
    assert {fault["path"] for fault in faults} == {"Observation.status", "Observation.painScale"}
    assert all(fault["rule"] and fault["body"] for fault in faults)


def test_the_same_resource_twice_on_a_page_lands_once(first_night: Night1) -> None:
    doubles = first_night.study.work(
        "SELECT center_id, resource_type, resource_id FROM ops.head GROUP BY ALL HAVING count(*) > 1"
    )
    received = {c.center_id: c.counts["Observation"].received for c in first_night.synced.centers}
    heads = first_night.study.work(
        "SELECT center_id, count(*) AS n FROM ops.head WHERE resource_type = 'Observation' GROUP BY ALL"
    )
    assert doubles == []
    assert all(received[row["center_id"]] > row["n"] for row in heads)


def test_the_servers_warnings_are_counted(first_night: Night1) -> None:
    assert {center.center_id: center.warnings > 0 for center in first_night.synced.centers} == {
        "a": True,
        "b": True,
    }


@pytest.mark.parametrize(
    "check",
    [
        "ablation_outside_spine",
        "disease_status_without_lesion",
        "entered_in_error",
        "observation_after_death",
        "other_ablation_of_vertebra",
        "pain_score_other_scale",
        "pain_score_out_of_range",
        "pain_scores_same_day",
        "procedure_not_completed",
        "quarantine_open",
    ],
)
def test_the_checks_speak_of_it_too(first_night: Night1, check: str) -> None:
    results = {result.check: result for result in first_night.refreshed.checks}
    assert (results[check].violations or 0) >= 1
