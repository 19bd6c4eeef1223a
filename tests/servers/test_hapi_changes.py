"""Night after night on HAPI: what was corrected, added or written anew lands at once, and nothing else."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.servers.conftest import Hapi
from tests.servers.fhir_http import FhirHttp, Resource
from tests.servers.server_study import Figures, ServerStudy, departed, landed, stock

pytestmark = pytest.mark.servers
SCORE = (
    "SELECT pain_score_key, patient_key, score "
    "FROM core.pain_timeline JOIN core.patient USING (patient_key) "
    "WHERE time_point = '24h' AND is_painful AND score > 2 AND core.patient.center_id = 'a' "
    "ORDER BY pain_score_key LIMIT 1"
)
PAINFUL = 64
NEW_PATIENT = {
    ("patients", "count", "all"): "value",
    ("painful_patients", "proportion", "all"): "numerator",
}


def mean_24h(figures: Figures) -> float:
    mean: float = figures["nprs_24h", "mean", "all"]["value"]
    return mean


def chosen_score(study: ServerStudy) -> dict[str, Any]:
    (row,) = study.work(SCORE)
    return row


@contextmanager
def kept(server: FhirHttp, path: str) -> Iterator[Resource]:
    """A resource that is written back as it was when the test is over."""
    resource = server.get(path)
    try:
        yield resource
    finally:
        server.put(resource)


def some_score() -> Resource:
    """A pain score of the cohort at center a."""
    scores = (each for each in stock("a").valid if each["resourceType"] == "Observation")
    return next(each for each in scores if each["code"]["coding"][0]["code"] == "72514-3")


def lowered(observation: Resource, points: int) -> Resource:
    changed: Resource = json.loads(json.dumps(observation))
    changed["valueQuantity"]["value"] -= points
    return changed | {"status": "corrected"}


def test_a_corrected_score_lands_alone_and_moves_the_figures(study: ServerStudy, hapi: Hapi) -> None:
    study.sync()
    before = study.figures()
    key = chosen_score(study)["pain_score_key"].removeprefix("a/")
    with kept(hapi.http("a"), f"Observation/{key}") as observation:
        hapi.http("a").put(lowered(observation, 2))
        assert landed(study.sync()) == {"a": {"Observation": 1}, "b": {}}
    after = study.figures()
    assert mean_24h(after) == pytest.approx(mean_24h(before) - 2 / PAINFUL)
    assert after["nprs_24h", "mean", "center=b"] == before["nprs_24h", "mean", "center=b"]


def test_a_resource_deleted_and_written_anew_lands_as_its_newest_version(
    study: ServerStudy, hapi: Hapi
) -> None:
    study.sync()
    before = study.figures()
    key = chosen_score(study)["pain_score_key"].removeprefix("a/")
    with kept(hapi.http("a"), f"Observation/{key}") as observation:
        hapi.http("a").delete([observation])
        hapi.http("a").put(lowered(observation, 1))
        assert landed(study.sync()) == {"a": {"Observation": 1}, "b": {}}
    assert mean_24h(study.figures()) == pytest.approx(mean_24h(before) - 1 / PAINFUL)


def some_observation(center_id: str) -> Resource:
    """An Observation that lands from a center: R4 or R5."""
    return next(each for each in stock(center_id).valid if each["resourceType"] == "Observation")


@pytest.mark.parametrize("center", ["a", "b"])
def test_a_deleted_resource_leaves_the_warehouse_alone(study: ServerStudy, hapi: Hapi, center: str) -> None:
    study.sync()
    server, other = hapi.http(center), {"a": "b", "b": "a"}[center]
    before = study.core()
    with kept(server, f"Observation/{some_observation(center)['id']}") as observation:
        server.delete([observation])
        assert departed(study.sync()) == {"a": {}, "b": {}}
        report = study.reconcile()
        assert departed(report) == {center: {"Observation": 1}, other: {}}
        assert landed(report) == {"a": {}, "b": {}}
        heads = "SELECT 1 FROM ops.head WHERE center_id = ? AND resource_id = ?"
        assert study.work(heads, [center, observation["id"]]) == []
    report = study.reconcile()
    assert landed(report) == {center: {"Observation": 1}, other: {}}
    assert departed(report) == {"a": {}, "b": {}}
    assert study.core() == before


@pytest.mark.parametrize("center", ["a", "b"])
def test_a_recoded_resource_leaves_the_warehouse_alone(study: ServerStudy, hapi: Hapi, center: str) -> None:
    study.sync()
    server, other = hapi.http(center), {"a": "b", "b": "a"}[center]
    with kept(server, f"Observation/{some_observation(center)['id']}") as observation:
        weight = {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]}
        server.put(observation | {"code": weight})
        assert departed(study.reconcile()) == {center: {"Observation": 1}, other: {}}
    reasons = study.work("SELECT DISTINCT reason FROM ops.departure")
    assert reasons == [{"reason": "recoded"}]


@pytest.mark.parametrize("center", ["a", "b"])
def test_a_treatment_entered_in_error_leaves_the_cohort(study: ServerStudy, hapi: Hapi, center: str) -> None:
    study.sync()
    figure = ("patients", "count", f"center={center}")
    before = study.figures()[figure]["value"]
    (only,) = study.work(
        "SELECT any_value(procedure_key) AS key FROM core.treatment WHERE center_id = ? "
        "GROUP BY patient_key HAVING count(*) = 1 ORDER BY 1 LIMIT 1",
        [center],
    )
    with kept(hapi.http(center), f"Procedure/{only['key'].removeprefix(f'{center}/')}") as procedure:
        hapi.http(center).put(procedure | {"status": "entered-in-error"})
        assert landed(study.sync()) == {"a": {}, "b": {}} | {center: {"Procedure": 1}}
    assert study.figures()[figure]["value"] == before - 1


def chart_of(study: ServerStudy, server: FhirHttp, patient_id: str) -> list[Resource]:
    """What the server holds about a patient, as far as a sync asks for it."""
    heads = study.work(
        "SELECT resource_type, resource_id FROM ops.head WHERE center_id = 'a' AND resource_type <> 'Patient'"
    )
    found = [server.get(f"{head['resource_type']}/{head['resource_id']}") for head in heads]
    subject = f"Patient/{patient_id}"
    own = [each for each in found if each["subject"]["reference"] == subject]
    return [server.get(subject), *own]


def copied(chart: list[Resource], prefix: str) -> list[Resource]:
    """The same chart for somebody else: new ids, references moved along."""
    text = json.dumps([{name: part for name, part in each.items() if name != "meta"} for each in chart])
    for resource in chart:
        kind, old = resource["resourceType"], resource["id"]
        text = text.replace(f'"{kind}/{old}"', f'"{kind}/{prefix}{old}"')
    copies: list[Resource] = json.loads(text)
    return [{**copy, "id": prefix + copy["id"]} for copy in copies]


def test_a_new_patient_lands_with_the_whole_history(study: ServerStudy, hapi: Hapi) -> None:
    study.sync()
    before = study.figures()
    patient_id = chosen_score(study)["patient_key"].removeprefix("a/")
    server = hapi.http("a")
    chart = copied(chart_of(study, server, patient_id), "new-")
    assert server.load(chart) == len(chart) > 5
    try:
        assert sum(landed(study.sync())["a"].values()) == len(chart)
        after = study.figures()
        assert landed(study.sync()) == {"a": {}, "b": {}}
    finally:
        server.delete(chart)
    for figure, counted in NEW_PATIENT.items():
        assert after[figure][counted] == before[figure][counted] + 1


def test_what_was_written_a_moment_ago_is_read_past_the_servers_result_cache(
    study: ServerStudy, hapi: Hapi
) -> None:
    """HAPI answers an identical search of the last minute from its cache unless told not to."""
    study.sync()
    server = hapi.http("a")
    observation = some_score()
    subject = observation["subject"]["reference"]
    search = f"Observation?code=http://loinc.org%7C72514-3&subject={subject}&_count=200"
    cached = len(server.get(search)["entry"])
    (newer,) = copied([observation], "later-")
    server.put(newer)
    try:
        assert len(server.get(search)["entry"]) == cached
        assert len(server.get(search, **{"Cache-Control": "no-cache"})["entry"]) == cached + 1
        assert landed(study.sync()) == {"a": {"Observation": 1}, "b": {}}
    finally:
        server.delete([newer])
