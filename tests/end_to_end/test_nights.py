"""Night after night: nothing twice, exactly what changed, and after any failure one good sync mends all."""

import datetime as dt
import json
import threading
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from mappings.errors import FatalCheckError, IncompleteError, ViewError, WarehouseBusyError
from service.run import Night, open_warehouse
from service.sync import SyncReport, sync_night
from tests.end_to_end.conftest import Silent, Study, now, value
from warehouse.build import BuiltTable
from warehouse.mart import open_mart
from warehouse.releases import current_release

CLINICAL = ("Condition", "Procedure", "Observation", "AdverseEvent")
SCORE = (
    "SELECT pain_score_key, patient_key, score "
    "FROM core.pain_timeline JOIN core.patient USING (patient_key) "
    "WHERE time_point = '24h' AND is_painful AND score > 2 AND core.patient.center_id = 'a' "
    "ORDER BY pain_score_key LIMIT 1"
)


def landed(report: SyncReport) -> dict[str, dict[str, int]]:
    """What each center landed, by type, without zeros."""
    return {
        center.center_id: {kind: counts.landed for kind, counts in center.counts.items() if counts.landed}
        for center in report.centers
    }


def why(tables: Sequence[BuiltTable]) -> list[tuple[str, tuple[str, ...]]]:
    """The tables that were built or changed, each with its reasons."""
    return [(table.table, table.reasons) for table in tables if table.reasons]


def chart_of(study: Study, patient_id: str) -> list[dict[str, Any]]:
    """What the R4 server holds about a patient, the patient first, as far as a sync asks for it."""
    bundles = [study.get("a", f"{kind}?subject=Patient/{patient_id}&_count=500") for kind in CLINICAL]
    entries = [entry["resource"] for bundle in bundles for entry in bundle.get("entry", ())]
    heads = study.work("SELECT resource_type, resource_id FROM ops.head WHERE center_id = 'a'")
    asked = {(head["resource_type"], head["resource_id"]) for head in heads}
    unique = {(r["resourceType"], r.get("id")): r for r in entries}
    return [study.get("a", f"Patient/{patient_id}"), *(r for key, r in unique.items() if key in asked)]


def copied(chart: list[dict[str, Any]], prefix: str) -> list[dict[str, Any]]:
    """The same chart for somebody else: new ids, references moved along."""
    text = json.dumps(chart)
    for resource in chart:
        kind, old = resource["resourceType"], resource["id"]
        text = text.replace(f'"{kind}/{old}"', f'"{kind}/{prefix}{old}"')
    copies: list[dict[str, Any]] = json.loads(text)
    return [{**copy, "id": prefix + copy["id"]} for copy in copies]


def test_a_second_sync_lands_nothing_and_changes_no_core_row(study: Study) -> None:
    first = study.sync()
    study.refresh()
    before = study.core()
    second = study.sync()
    study.refresh()
    assert sum(sum(types.values()) for types in landed(first).values()) > 800
    assert landed(second) == {"a": {}, "b": {}}
    assert study.core() == before


def test_a_corrected_score_lands_alone_and_moves_the_figures(study: Study) -> None:
    study.sync()
    before = study.refresh().results
    (chosen,) = study.work(SCORE)
    observation = study.get("a", f"Observation/{chosen['pain_score_key'].removeprefix('a/')}")
    observation["valueQuantity"]["value"] = chosen["score"] - 2
    study.put("a", observation | {"status": "corrected"})

    assert landed(study.sync()) == {"a": {"Observation": 1}, "b": {}}
    after = study.refresh().results
    means = [value(results, "nprs_24h", "mean") or 0.0 for results in (before, after)]
    assert means[1] == pytest.approx(means[0] - 2 / 64)
    assert value(after, "nprs_baseline", "mean") == value(before, "nprs_baseline", "mean")
    assert value(after, "nprs_24h", "mean", "center=b") == value(before, "nprs_24h", "mean", "center=b")


def test_a_night_maps_and_builds_what_has_changed_and_says_why(study: Study) -> None:
    first = study.sync()
    assert {reasons for _, reasons in why(first.mapped)} == {("first build (a, b)",)}
    assert {reasons for _, reasons in why(study.refresh().tables)} == {("first build",)}
    (chosen,) = study.work(SCORE)
    observation = study.get("a", f"Observation/{chosen['pain_score_key'].removeprefix('a/')}")
    study.put("a", observation | {"status": "amended"})

    mapped = dict(why(study.sync().mapped))
    assert set(mapped) == {"flat.observation", "flat.observation_coding"}
    assert set(mapped.values()) == {("1 new or changed (a)",)}
    built = dict(why(study.refresh().tables))
    assert built["core.pain_score"] == ("flat.observation changed", "flat.observation_coding changed")
    assert {"core.rule", *mapped}.isdisjoint(built)
    assert why(study.refresh().tables) == []


def test_a_changed_code_list_builds_what_depends_on_it_and_maps_nothing_again(study: Study) -> None:
    study.sync()
    study.refresh()
    codes = study.config / "centers" / "a" / "codes" / "adverse_events.csv"
    lines = codes.read_text(encoding="utf-8").splitlines()
    codes.write_text(
        "\n".join([line for line in lines if "PARESTHESIA" not in line]) + "\n", encoding="utf-8"
    )
    built = dict(why(study.refresh().tables))
    assert set(built.values()) == {("codes of center a changed",)}
    assert {"flat.concept", "core.pain_score", "core.patient", "ops.unmapped"} <= set(built)
    assert {"flat.observation", "flat.dated", "core.rule"}.isdisjoint(built)


def test_nights_end_as_if_everything_was_built_anew(study: Study) -> None:
    study.sync()
    study.refresh()
    (chosen,) = study.work(SCORE)
    observation = study.get("a", f"Observation/{chosen['pain_score_key'].removeprefix('a/')}")
    observation["valueQuantity"]["value"] = chosen["score"] - 2
    study.put("a", observation | {"status": "corrected"})
    study.sync()
    study.refresh()
    before = study.core()
    with open_warehouse(study.settings) as warehouse, warehouse.transaction() as transaction:
        for ledger in ("ops.flat_head", "ops.flat_fill", "ops.built_from"):
            transaction.execute(f"DELETE FROM {ledger}")  # noqa: S608 -- named above
    assert {reasons for _, reasons in why(study.refresh().tables)} == {
        ("first build (a, b)",),
        ("first build",),
    }
    assert study.core() == before


def break_view(study: Study) -> Path:
    """Center a gets a view of its own that names an element no Patient has."""
    shipped = (files("mappings") / "views" / "patient.json").read_text(encoding="utf-8")
    path = study.config / "centers" / "a" / "views" / "patient.json"
    path.parent.mkdir()
    path.write_text(shipped.replace('"path": "gender"', '"path": "gendre"'), encoding="utf-8")
    return path


def test_a_broken_view_neither_undoes_nor_hides_what_was_landed(study: Study) -> None:
    path = break_view(study)
    report = study.sync()
    assert sum(landed(report)["a"].values()) > 400
    assert report.view_error is not None
    assert "gendre" in report.view_error.message
    (run,) = study.work("SELECT status, message FROM ops.run")
    assert run["status"] == "complete"
    assert "gendre" in run["message"]
    with pytest.raises(ViewError, match="gendre"):
        study.refresh()
    path.unlink()
    assert value(study.refresh().results, "patients", "count") == 74


def test_a_new_patient_lands_with_the_whole_history(study: Study) -> None:
    study.sync()
    before = study.refresh().results
    (chosen,) = study.work(SCORE)
    chart = copied(chart_of(study, chosen["patient_key"].removeprefix("a/")), "new-")
    for resource in chart:
        study.put("a", resource)

    assert sum(landed(study.sync())["a"].values()) == len(chart)
    after = study.refresh().results
    for metric in ("patients", "painful_patients"):
        statistic = "count" if metric == "patients" else "numerator"
        assert _count(after, metric, statistic) == (_count(before, metric, statistic) or 0) + 1
    assert landed(study.sync()) == {"a": {}, "b": {}}


def _count(results: Any, metric: str, statistic: str) -> float | None:
    if statistic == "count":
        return value(results, metric, "count")
    (found,) = [r for r in results if (r.metric, r.statistic, r.group) == (metric, "proportion", "all")]
    numerator: int | None = found.numerator
    return numerator


def test_old_history_of_a_new_patient_is_read_although_it_is_older_than_the_watermark(study: Study) -> None:
    """The chart was written long before the last sync; only the ablation that makes a member is new."""
    study.sync()
    (member,) = study.work("SELECT min(patient_id) AS id FROM ops.cohort_member WHERE center_id = 'a'")
    chart = copied(chart_of(study, member["id"]), "old-")
    ablations = [r for r in chart if r["resourceType"] == "Procedure" and "partOf" not in r]
    history = [r for r in chart if r not in ablations]
    study.servers.a.load(history, now() - dt.timedelta(days=700))
    assert landed(study.sync()) == {"a": {}, "b": {}}

    for resource in ablations:
        study.put("a", resource)
    assert sum(landed(study.sync())["a"].values()) == len(chart)


def test_an_entered_in_error_treatment_leaves_the_cohort(study: Study) -> None:
    study.sync()
    before = study.refresh().results
    (only,) = study.work(
        "SELECT any_value(procedure_key) AS key FROM core.treatment WHERE center_id = 'a' "
        "GROUP BY patient_key HAVING count(*) = 1 ORDER BY 1 LIMIT 1"
    )
    procedure = study.get("a", f"Procedure/{only['key'].removeprefix('a/')}")
    study.put("a", procedure | {"status": "entered-in-error"})
    assert landed(study.sync()) == {"a": {"Procedure": 1}, "b": {}}
    after = study.refresh().results
    assert value(after, "patients", "count") == (value(before, "patients", "count") or 0) - 1


def test_a_center_that_is_down_leaves_the_other_whole_and_the_run_incomplete(study: Study) -> None:
    settings = study.config / "centers" / "b" / "center.toml"
    good = settings.read_text(encoding="utf-8")
    settings.write_text(good.replace(study.servers.b_url, "http://127.0.0.1:9/fhir"), encoding="utf-8")
    with pytest.raises(IncompleteError, match="center b"):
        study.sync()
    runs = study.work("SELECT status FROM ops.run ORDER BY run_id")
    centers = study.work("SELECT center_id, status FROM ops.center_sync ORDER BY center_id")
    assert [row["status"] for row in runs] == ["incomplete"]
    assert [row["status"] for row in centers] == ["complete", "incomplete"]

    settings.write_text(good, encoding="utf-8")
    study.sync()
    assert value(study.refresh().results, "patients", "count") == 74


def test_a_stop_between_units_is_incomplete_and_the_next_sync_takes_up(study: Study) -> None:
    stop = threading.Event()

    class StopsAtOnce(Silent):
        def landed(self, event: object) -> None:
            assert event
            stop.set()

    with pytest.raises(IncompleteError, match="asked to stop"):
        sync_night(Night(study.settings, now, StopsAtOnce(), stop.is_set))
    study.sync()
    assert value(study.refresh().results, "lesions", "count") == 105


def test_a_reader_of_the_release_neither_waits_nor_stops_a_night(study: Study) -> None:
    study.sync()
    study.refresh()
    with open_mart(study.settings.warehouse_folder) as mart:
        study.sync()
        study.refresh()
        assert mart.rows("SELECT count(*) AS n FROM core.patient") == [{"n": 74}]
    assert current_release(study.settings.warehouse_folder).name == "2"


def test_two_runs_at_once_are_refused(study: Study) -> None:
    with open_warehouse(study.settings), pytest.raises(WarehouseBusyError, match="Another run"):
        study.sync()


def test_a_fatal_check_keeps_the_last_release(study: Study) -> None:
    study.sync()
    study.refresh()
    # A study window without any treatment: nobody is left in the cohort.
    path = study.config / "cryocohort.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("start = 2008-05-01", "start = 2020-09-29"), encoding="utf-8")
    with pytest.raises(FatalCheckError, match="withheld"):
        study.refresh()
    assert current_release(study.settings.warehouse_folder).name == "1"
    assert study.mart("SELECT count(*) AS n FROM core.patient") == [{"n": 74}]
    assert study.work("SELECT status FROM ops.run ORDER BY run_id DESC LIMIT 1") == [{"status": "withheld"}]
