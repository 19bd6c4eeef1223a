"""Rows 14-29: searches whose parameters, links or entries are not what was asked for."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.client import FhirClient
from ingest.outcome import OutcomeIssue
from ingest.query import Query
from ingest.search import walk
from mappings.errors import IncompleteError
from tests.faults.conftest import KEYS, Fired
from tests.faults.fault_server import FaultServer, answering, edited, fault_serving
from tests.faults.habits import (
    AfterServer,
    CachingServer,
    CoarseServer,
    DeafServer,
    ShortDateServer,
)
from tests.faults.test_rows_paging import QUERY, client_of, first, following, ids, walked
from tests.ingest import test_sync
from tests.ingest.examples import Resource, chart, observation
from tests.ingest.loopback import START, Fault, Seen
from tests.ingest.test_sync import Place
from warehouse.connection import Warehouse

SINCE = replace(QUERY, options=(("_lastUpdated", "ge2027-01-01T00:00:00.000Z"), ("_count", "4")))
IGNORED = OutcomeIssue("warning", "limited-filter")
NOT_APPLIED = OutcomeIssue("warning", "not-supported")


def issues(client: FhirClient, query: Query) -> list[OutcomeIssue]:
    return [issue for page in walk(client, query) for issue in page.issues]


def observations(seen: Seen) -> bool:
    return seen.resource_type == "Observation"


def heads(place: Place) -> set[str]:
    return {resource_id for _, resource_id in place.heads()}


def everyone() -> list[Resource]:
    return [resource for key in ("p1", "p2", "p3") for resource in chart(key)]


def a_day_later(place: Place) -> None:
    place.server.clock += dt.timedelta(hours=20)  # within the overlap


@pytest.mark.row(14)
def test_a_filter_ignored_brings_nobody_elses_data(place: Place, fired: Fired) -> None:
    stranger = {"resource": observation("stranger", "p77")}
    fired(place.server.add(Fault(observations, edited(lambda bundle: bundle["entry"].append(stranger)), 9)))
    report = place.sync()
    assert report.status == "complete"
    assert "stranger" not in heads(place)
    assert report.warnings > 0


@pytest.mark.row(15)
def test_rows_older_than_asked_are_used_with_a_warning_whatever_the_self_link_claims(fired: Fired) -> None:
    with (
        fault_serving(DeafServer([observation(key, "p1") for key in KEYS])) as server,
        client_of(server) as client,
    ):
        fired(server)
        claim = {"relation": "self", "url": f"{server.base_url}/Observation?_lastUpdated={SINCE.since}"}
        fired(server.add(Fault(first, edited(lambda bundle: bundle["link"].append(claim)), 9)))
        assert issues(client, SINCE) == [IGNORED, IGNORED]
        assert walked(client, SINCE) == set(KEYS)


@pytest.mark.row(16)
def test_a_self_link_without_the_filter_is_a_warning_on_the_first_page_only(fired: Fired) -> None:
    since = replace(QUERY, options=(("_lastUpdated", "ge2020-01-01T00:00:00.000Z"), ("_count", "4")))
    with (
        fault_serving(FaultServer([observation(key, "p1") for key in KEYS])) as server,
        client_of(server) as client,
    ):
        wrong = {"relation": "self", "url": f"{server.base_url}/Observation"}
        add = edited(lambda bundle: bundle["link"].append(wrong))
        later = fired(server.add(Fault(following, add)))
        assert issues(client, since) == []
        fired(server.add(Fault(first, add)))
        assert issues(client, since) == [NOT_APPLIED]
        assert later.fired == 1


@pytest.mark.row(17)
@pytest.mark.parametrize("status", [400, 422])
def test_strict_handling_refused_is_given_up_once(
    server: FaultServer, client: FhirClient, fired: Fired, status: int
) -> None:
    fault = fired(server.add(Fault(lambda seen: "Prefer" in seen.headers, answering(status), 99)))
    assert walked(client) == set(KEYS)
    assert walked(client) == set(KEYS)
    assert fault.fired == 1



@pytest.mark.row(18)
def test_instants_are_sent_so_that_no_server_reads_the_year_1(tmp_path: Path, fired: Fired) -> None:
    with (
        fault_serving(ShortDateServer(everyone())) as server,
        Warehouse.open(tmp_path / "warehouse") as warehouse,
    ):
        place = Place(fired(server), warehouse)
        for _ in range(2):  # the second night's watermark lies a day and more after every resource
            place.sync()
            place.night()
        report = place.sync()
        assert sum(counts.received for counts in report.counts.values()) == 0


@pytest.mark.row(19)
def test_a_change_at_the_edge_of_the_watermark_is_found_by_a_server_that_compares_hours(
    tmp_path: Path, fired: Fired
) -> None:
    with (
        fault_serving(CoarseServer(everyone())) as server,
        Warehouse.open(tmp_path / "warehouse") as warehouse,
    ):
        place = Place(fired(server), warehouse)
        place.sync()
        server.put(observation("edge", "p1", 2))  # at the very instant of the watermark
        a_day_later(place)
        assert place.sync().status == "complete"
        assert "edge" in heads(place)


@pytest.mark.row(20)
def test_a_server_that_knows_gt_only_is_asked_so_from_then_on(fired: Fired) -> None:
    edge = START.strftime("ge%Y-%m-%dT%H:%M:%S.000Z")
    query = replace(QUERY, options=(("_lastUpdated", edge), ("_count", "4")))
    with (
        fault_serving(AfterServer([observation(key, "p1") for key in KEYS])) as server,
        client_of(server) as client,
    ):
        fired(server)
        assert walked(client, query) == set(KEYS)
        so_far = server.fired
        assert walked(client, query) == set(KEYS)
        assert server.fired == so_far


@pytest.mark.row(21)
def test_a_server_that_knows_no_lastupdated_is_read_anew_with_a_warning(
    tmp_path: Path, fired: Fired
) -> None:
    with (
        fault_serving(DeafServer(everyone())) as server,
        Warehouse.open(tmp_path / "warehouse") as warehouse,
    ):
        place = Place(fired(server), warehouse)
        for _ in range(2):
            place.sync()
            place.night()
        before = place.heads()
        report = place.sync()
        assert (report.status, place.landed(report)) == ("complete", 0)
        assert place.heads() == before
        assert report.warnings > 0


@pytest.mark.row(22)
def test_a_cache_is_told_not_to_answer(fired: Fired) -> None:
    with (
        fault_serving(CachingServer([observation(key, "p1") for key in KEYS])) as server,
        client_of(server) as client,
    ):
        fired(server)
        walked(client, QUERY.with_count(50))
        server.put(observation("new", "p1"))
        assert "new" in walked(client, QUERY.with_count(50))


@pytest.mark.row(23)
def test_what_the_index_hides_for_a_night_stays_and_comes_with_the_next(place: Place, fired: Fired) -> None:
    place.sync()
    before = place.heads()
    a_day_later(place)
    place.server.put(observation("pain-p2", "p2", 1))

    def hide(bundle: Resource) -> None:
        bundle["entry"] = [each for each in bundle["entry"] if each["resource"]["id"] != "pain-p2"]

    fault = fired(place.server.add(Fault(observations, edited(hide), 99)))
    place.sync()
    assert place.heads() == before
    fault.times = 0
    a_day_later(place)
    place.sync()
    assert place.heads()["Observation", "pain-p2"] != before["Observation", "pain-p2"]


@pytest.mark.row(24)
def test_a_write_of_a_node_whose_clock_is_behind_is_found(place: Place, fired: Fired) -> None:
    place.sync()
    behind = dt.timedelta(hours=2)
    place.server.clock -= behind
    place.server.put(observation("late", "p1"))  # dated before the watermark that is already committed
    place.server.clock += behind
    fired(1)
    a_day_later(place)
    place.sync()
    assert "late" in heads(place)


@pytest.mark.row(25)
@pytest.mark.parametrize("total", [0, 3, 10_000, "many", None])
def test_no_total_ends_or_prolongs_a_walk(
    server: FaultServer, client: FhirClient, fired: Fired, total: object
) -> None:
    fired(server.add(Fault(lambda _: True, edited(lambda bundle: bundle.update(total=total)), 99)))
    assert walked(client) == set(KEYS)


@pytest.mark.row(25)
def test_a_lone_page_with_fewer_matches_than_told_is_incomplete(
    server: FaultServer, client: FhirClient, fired: Fired
) -> None:
    fired(server.add(Fault(first, edited(lambda bundle: bundle.update(total=9, link=[])))))
    with pytest.raises(IncompleteError, match="found 9 matches"):
        walked(client)


@pytest.mark.row(26)
@pytest.mark.parametrize("status", [404, 405, 415, 501])
def test_post_is_probed_once_for_the_center(
    server: FaultServer, client: FhirClient, fired: Fired, status: int
) -> None:
    fault = fired(server.add(Fault(lambda seen: seen.method == "POST", answering(status), 99)))
    assert walked(client) == set(KEYS)
    assert walked(client) == set(KEYS)
    assert fault.fired == 1


@pytest.mark.row(26)
def test_next_links_that_only_post_could_read_are_left_for_get(
    server: FaultServer, client: FhirClient, fired: Fired
) -> None:
    def point_to_search(bundle: Resource) -> None:
        for link in bundle["link"]:
            link["url"] = link["url"].replace("/Observation?", "/Observation/_search?")

    fault = fired(server.add(Fault(lambda seen: seen.method == "POST", edited(point_to_search), 99)))
    assert walked(client) == set(KEYS)
    assert fault.fired == 1


@pytest.mark.row(27)
@pytest.mark.parametrize(
    ("severity", "code", "status"),
    [
        ("warning", "processing", "complete"),
        ("information", "informational", "complete"),
        ("warning", "incomplete", "incomplete"),
        ("error", "suppressed", "incomplete"),
        ("fatal", "exception", "incomplete"),
    ],
)
def test_an_outcome_among_the_entries_is_never_data_and_its_severity_decides(
    place: Place, fired: Fired, severity: str, code: str, status: str
) -> None:
    issue = {"severity": severity, "code": code, "diagnostics": "CANARY"}
    entry = {"resource": {"resourceType": "OperationOutcome", "id": "x", "issue": [issue]}}
    fired(place.server.add(Fault(observations, edited(lambda bundle: bundle["entry"].append(entry)))))
    report = place.sync()
    assert report.status == status
    assert report.warnings > 0
    assert "x" not in heads(place)
    assert "CANARY" not in str(report)


@pytest.mark.row(28)
def test_entries_are_sorted_by_their_type(server: FaultServer, client: FhirClient, fired: Fired) -> None:
    extra = [
        {"resource": {"resourceType": "Patient", "id": "p"}, "search": {"mode": "match"}},
        {"resource": observation("included", "p1"), "search": {"mode": "include"}},
        {"resource": observation("modeless", "p1")},
        {"fullUrl": "urn:uuid:1"},
    ]
    fired(server.add(Fault(first, edited(lambda bundle: bundle["entry"].extend(extra)))))
    pages = list(walk(client, QUERY.with_count(50)))
    assert set(ids(pages)) == {*KEYS, "included", "modeless"}
    assert [(page.ignored, page.lost) for page in pages] == [(1, 1)]


@pytest.mark.row(29)
def test_a_changed_code_map_is_read_anew(
    place: Place, fired: Fired, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.sync()
    place.night()
    extra = replace(test_sync.CODE_MAP[-1], system="urn:new", code="NEW")
    monkeypatch.setattr(test_sync, "CODE_MAP", [*test_sync.CODE_MAP, extra])
    place.sync()
    changed = [seen for seen in place.server.asked("Observation") if "NEW" in str(seen.query.get("code"))]
    fired(len(changed))
    assert all("_lastUpdated" not in seen.query for seen in changed)
    assert all("_lastUpdated" in seen.query for seen in place.server.asked("Patient"))
