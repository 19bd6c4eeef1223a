"""A probe asks what a sync asks, of few patients, and tells what came of it."""

import datetime as dt
import json
from collections.abc import Callable

import pytest

from ingest.gate import judge
from ingest.probe import Probe, clock_skew, landed_of, probe_center
from mappings.errors import ServerError, SignInError
from tests.ingest.examples import CODE_MAP, SCT, Resource, chart, client, concept, observation, procedure
from tests.ingest.loopback import Answer, Fault, FhirServer, Seen, outcome, serving


def probed(server: FhirServer) -> dict[tuple[str, str], Probe]:
    with serving(server), client(server.base_url) as opened:
        found = probe_center(opened, CODE_MAP)
    return {(probe.ask.resource_type.name, probe.ask.search.step): probe for probe in found}


def clinic(patients: int = 1) -> FhirServer:
    return FhirServer([each for number in range(patients) for each in chart(f"p{number}")])


def is_count(seen: Seen) -> bool:
    return seen.query.get("_summary") == ["count"]


def always(server: FhirServer, when: Callable[[Seen], bool], change: Callable[[Answer], Answer]) -> Fault:
    return server.add(Fault(when, change, times=10**6))


def with_total(total: int) -> Callable[[Answer], Answer]:
    return lambda answer: answer.edited(lambda bundle: bundle.update(total=total))


def test_every_search_of_a_sync_is_tried_in_its_order() -> None:
    found = probed(clinic())
    assert list(found) == [
        ("Procedure", "cohort"),
        ("AdverseEvent", "patient"),
        ("BodyStructure", "patient"),
        ("Condition", "patient"),
        ("Observation", "patient"),
        ("Patient", "patient"),
        ("Procedure", "patient"),
    ]
    assert {probe.sample and len(probe.sample.landed) for probe in found.values()} == {1}
    assert [probe.error for probe in found.values()] == [None] * 7


def test_counts_are_asked_by_code_for_all_patients_and_without_codes_for_the_sampled_only() -> None:
    server = clinic(patients=2)
    always(server, is_count, with_total(41))
    found = probed(server)
    conditions, events = found["Condition", "patient"].count, found["AdverseEvent", "patient"].count
    assert conditions is not None
    assert events is not None
    assert (conditions.number, conditions.codes, conditions.patients) == (41, 1, 0)
    assert (events.number, events.codes, events.patients) == (41, 0, 2)
    asked = [seen for seen in server.seen if is_count(seen)]
    assert all(seen.query["_count"] == ["1"] for seen in asked)
    assert all("code" in seen.query or "subject" in seen.query or len(seen.query) > 2 for seen in asked)


def test_no_resource_is_asked_for_without_a_code_or_a_few_patients() -> None:
    server = clinic(patients=30)
    found = probed(server)
    for seen in server.seen:
        few = [value for name in ("subject", "patient", "_id") for value in seen.query.get(name, [])]
        assert "code" in seen.query or few
        assert all(len(value.split(",")) <= 5 for value in few)
        assert int(seen.query["_count"][0]) <= 20
    assert found["Procedure", "cohort"].has_next


def test_of_a_patient_only_the_elements_of_the_study_are_asked_for() -> None:
    server = clinic()
    probed(server)
    (sample,) = [seen for seen in server.asked("Patient") if not is_count(seen)]
    assert "gender" in sample.query["_elements"][0]


def test_without_a_number_of_its_own_the_total_of_the_sample_counts() -> None:
    server = clinic()
    always(server, lambda seen: not is_count(seen), with_total(7))
    found = probed(server)
    assert {probe.count and probe.count.number for probe in found.values()} == {7}
    observations = found["Observation", "patient"].count
    assert observations is not None
    assert observations.patients == 1


def test_a_server_that_tells_no_number_leaves_it_untold() -> None:
    counts = {probe.count and probe.count.number for probe in probed(clinic()).values()}
    assert counts == {None}


def test_without_a_cohort_only_counts_by_code_are_asked() -> None:
    server = FhirServer([observation("o", "p1")])
    found = probed(server)
    assert found["AdverseEvent", "patient"].count is None
    assert found["Observation", "patient"].count is not None
    assert [probe.sample for key, probe in found.items() if key[1] == "patient"] == [None] * 6
    assert not server.asked("Patient")


def test_a_search_that_fails_is_told_and_the_others_are_tried() -> None:
    server = clinic()
    always(server, lambda seen: seen.resource_type == "AdverseEvent", lambda _: outcome(404, "not-supported"))
    always(server, lambda seen: seen.resource_type == "Observation", lambda _: outcome(403, "forbidden"))
    found = probed(server)
    assert isinstance(found["AdverseEvent", "patient"].error, ServerError)
    assert isinstance(found["Observation", "patient"].error, SignInError)
    assert found["Condition", "patient"].error is None


def test_resources_that_were_not_asked_for_are_counted_and_dropped() -> None:
    def ignoring(answer: Answer) -> Answer:
        return answer.edited(lambda bundle: bundle["entry"].append({"resource": observation("x", "other")}))

    server = clinic()
    always(server, lambda seen: seen.resource_type == "Observation" and not is_count(seen), ignoring)
    sample = probed(server)["Observation", "patient"].sample
    assert sample is not None
    assert (len(sample.landed), sample.unasked) == (1, 1)


def test_what_the_gate_refuses_is_counted() -> None:
    server = clinic()
    server.put({key: value for key, value in observation("bad", "p0").items() if key != "status"})
    sample = probed(server)["Observation", "patient"].sample
    assert sample is not None
    assert [(fault.path, len(sample.landed)) for fault in sample.quarantined] == [("Observation.status", 1)]


def test_a_page_that_holds_less_than_the_total_and_leads_nowhere_is_cut_off() -> None:
    server = clinic()
    always(server, lambda seen: seen.resource_type == "Condition" and not is_count(seen), with_total(3))
    found = probed(server)
    assert [key[0] for key, probe in found.items() if probe.is_cut_off] == ["Condition"]


def test_a_loss_that_the_server_reports_is_told() -> None:
    lost = {"resourceType": "OperationOutcome", "issue": [{"severity": "warning", "code": "incomplete"}]}

    def losing(answer: Answer) -> Answer:
        return answer.edited(lambda bundle: bundle["entry"].append({"resource": lost}))

    server = clinic()
    always(server, lambda seen: seen.resource_type == "Condition" and not is_count(seen), losing)
    assert probed(server)["Condition", "patient"].losses == ("incomplete",)


def test_a_query_too_long_for_a_url_is_counted_in_pieces() -> None:
    server = clinic()
    always(server, lambda seen: seen.method == "POST", lambda _: outcome(405, "not-supported"))
    always(server, is_count, with_total(2))
    codes = [
        *CODE_MAP,
        *(CODE_MAP[3].__class__("a", SCT, f"{n:040}", "metastasis", "m", "") for n in range(60)),
    ]
    with serving(server), client(server.base_url) as opened:
        found = {probe.ask.resource_type.name: probe for probe in probe_center(opened, codes)}
    count = found["Condition"].count
    assert count is not None
    assert count.is_upper_bound
    assert count.number is not None
    assert count.number >= 4
    assert max(len(seen.raw_path) for seen in server.seen) < 2000


def test_the_sample_is_what_would_be_stored_each_once() -> None:
    landed = landed_of(list(probed(clinic()).values()))
    assert sorted(each.resource_type for each in landed) == sorted({each.resource_type for each in landed})
    assert all(judge(json.loads(each.body), "R4") == [] for each in landed)


def test_a_procedure_of_the_cohort_may_name_nobody() -> None:
    nobody: Resource = procedure("p", "1") | {"subject": {"display": "somebody"}}
    found = probed(FhirServer([nobody, procedure("q", "2") | {"code": concept(SCT, "CEMENT")}]))
    assert found["Patient", "patient"].count is None


@pytest.mark.parametrize("seconds", [-400, 0, 90])
def test_the_skew_is_the_servers_clock_less_ours_at_half_time(seconds: int) -> None:
    sent = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
    received = sent + dt.timedelta(seconds=1)
    told = sent + dt.timedelta(seconds=seconds)
    assert clock_skew(told, sent, received) == dt.timedelta(seconds=seconds)
