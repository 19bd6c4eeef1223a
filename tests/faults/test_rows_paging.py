"""Rows 1-13: walking from page to page, whatever the next links do."""

from collections.abc import Callable
from typing import Any

import pytest

from ingest.client import FhirClient
from ingest.query import CodeFilter, PatientFilter, Query
from ingest.search import Page, WalkLimits, walk
from mappings.errors import CryocohortError, IncompleteError, ServerError
from tests.faults.conftest import KEYS, Fired
from tests.faults.fault_server import FaultServer, answering, edited, fault_serving, next_link
from tests.faults.habits import CappedServer, LiveServer
from tests.ingest.examples import LOINC, QUICK, Resource, center, observation
from tests.ingest.loopback import Answer, Fault, Seen, outcome
from tests.ingest.test_sync import Place

QUERY = Query("Observation", CodeFilter("code", ((LOINC, "72514-3"),)), None, (("_count", "2"),))


def ids(pages: list[Page]) -> list[str]:
    return [resource["id"] for page in pages for resource in page.resources]


def walked(client: FhirClient, query: Query = QUERY, limits: WalkLimits | None = None) -> set[str]:
    return set(ids(list(walk(client, query, limits))))


def first(seen: Seen) -> bool:
    return not seen.is_next


def following(seen: Seen) -> bool:
    return seen.is_next


def checking(seen: Seen) -> bool:
    return "_elements" in seen.query


def client_of(server: FaultServer, **changes: Any) -> FhirClient:
    return FhirClient(center(server.base_url, **changes), QUICK)


@pytest.mark.row(1)
@pytest.mark.parametrize(("status", "times"), [(400, 1), (404, 2), (410, 1), (500, 3)])
def test_a_forgotten_next_link_restarts_the_walk(
    server: FaultServer, client: FhirClient, fired: Fired, status: int, times: int
) -> None:
    fault = fired(server.add(Fault(following, answering(status), times)))
    assert walked(client) == set(KEYS)
    assert fault.fired == times


@pytest.mark.row(1)
def test_a_next_link_forgotten_for_good_is_incomplete_after_a_few_restarts(
    server: FaultServer, client: FhirClient, fired: Fired
) -> None:
    fault = fired(server.add(Fault(following, answering(410), 99)))
    with pytest.raises(IncompleteError, match="forgot its next link"):
        walked(client)
    assert fault.fired == WalkLimits().restarts + 1


@pytest.mark.row(2)
@pytest.mark.parametrize("status", [302, 401, 403, 404, 410, 418, 429, 500, 501, 503])
def test_no_error_on_a_next_link_is_the_end_of_the_data(
    server: FaultServer, client: FhirClient, fired: Fired, status: int
) -> None:
    fired(server.add(Fault(following, answering(status), 99)))
    with pytest.raises(CryocohortError) as caught:
        walked(client)
    assert "SECRET" not in str(caught.value)


@pytest.mark.row(2)
@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"resourceType": "OperationOutcome"}'])
def test_no_empty_answer_on_a_next_link_is_the_end_of_the_data(
    server: FaultServer, client: FhirClient, fired: Fired, body: bytes
) -> None:
    fired(server.add(Fault(following, answering(200, body, Content_Type="application/json"), 99)))
    with pytest.raises(ServerError):
        walked(client)


@pytest.mark.row(3)
def test_a_resource_that_slips_to_a_page_already_read_is_found_by_the_second_pass(fired: Fired) -> None:
    with fault_serving(LiveServer([observation(key, "p1") for key in KEYS])) as server:

        def delete_first(answer: Answer) -> Answer:
            del server._store["Observation", "o0"]
            return answer

        fired(server.add(Fault(first, delete_first)))
        with client_of(server) as client:
            assert set(KEYS) - {"o0"} <= walked(client)


@pytest.mark.row(3)
def test_a_walk_that_never_settles_is_incomplete(
    server: FaultServer, client: FhirClient, fired: Fired
) -> None:
    def add_one(bundle: Resource) -> None:
        bundle["entry"].append({"resource": observation(f"new-{len(server.seen)}", "p1")})

    fault = fired(server.add(Fault(checking, edited(add_one), 99)))
    with pytest.raises(IncompleteError, match="3 passes"):
        walked(client)
    assert fault.fired == 3


def test_the_second_pass_brings_no_data_and_a_lone_page_needs_none(
    server: FaultServer, client: FhirClient
) -> None:
    pages = list(walk(client, QUERY))
    assert ids(pages) == KEYS
    assert len([seen for seen in server.seen if checking(seen)]) == 1
    server.seen.clear()
    assert walked(client, QUERY.with_count(50)) == set(KEYS)
    assert len(server.seen) == 1


@pytest.mark.row(4)
def test_of_two_versions_on_two_pages_the_newer_is_kept(place: Place, fired: Fired) -> None:
    old = observation("pain-p1", "p1", 9) | {
        "meta": {"versionId": "0", "lastUpdated": "2020-01-01T00:00:00Z"}
    }
    last = edited(lambda bundle: bundle["entry"].append({"resource": old}) if not bundle["link"] else None)
    fired(place.server.add(Fault(lambda seen: seen.resource_type == "Observation", last, 99)))
    assert place.sync(page_size=1).status == "complete"
    (row,) = place.warehouse.rows("SELECT version_id FROM ops.head WHERE resource_id = 'pain-p1'")
    assert row["version_id"] == "1"


@pytest.mark.row(5)
def test_an_order_that_changes_from_page_to_page_loses_nothing(fired: Fired) -> None:
    with fault_serving(LiveServer([observation(key, "p1") for key in KEYS])) as server:

        def turn(answer: Answer) -> Answer:
            server.is_descending = not server.is_descending
            return answer

        fault = fired(server.add(Fault(lambda seen: not checking(seen), turn, 4)))
        with client_of(server) as client:
            assert walked(client) == set(KEYS)
        assert fault.fired == 4
        stamps = {each["meta"]["lastUpdated"] for each in server._store.values()}
        assert len(stamps) == 1


@pytest.mark.row(6)
@pytest.mark.parametrize("length", [1, 2])
def test_next_links_in_a_circle_end(
    server: FaultServer, client: FhirClient, fired: Fired, length: int
) -> None:
    def turn_back(answer: Answer) -> Answer:
        number = sum(seen.is_next for seen in server.seen) % length
        return next_link(f"{server.base_url}/Observation?_page=p{number}")(answer)

    fault = fired(server.add(Fault(following, turn_back, 99)))
    with pytest.raises(ServerError, match="already read"):
        walked(client)
    assert fault.fired <= 3


@pytest.mark.row(7)
@pytest.mark.parametrize(
    ("is_empty", "limits", "reason"),
    [(True, WalkLimits(empty_pages=3), "3 empty pages"), (False, WalkLimits(pages=5), "more than 5 pages")],
)
def test_endless_next_links_end(
    server: FaultServer, client: FhirClient, fired: Fired, is_empty: bool, limits: WalkLimits, reason: str
) -> None:
    def renew(bundle: Resource) -> None:
        token = f"x{len(server.seen)}"
        server._pages[token] = server._pages["p0"]
        bundle["link"] = [{"relation": "next", "url": f"{server.base_url}/Observation?_page={token}"}]
        bundle["entry"] = [] if is_empty else bundle["entry"]

    fault = fired(server.add(Fault(following, edited(renew), 99)))
    with pytest.raises(ServerError, match=reason):
        walked(client, limits=limits)
    assert fault.fired in {3, 4}


@pytest.mark.row(8)
def test_an_empty_page_in_the_middle_is_not_the_end(
    server: FaultServer, client: FhirClient, fired: Fired
) -> None:
    fired(server.add(Fault(following, edited(lambda bundle: bundle.update(entry=[])))))
    # Without this the second pass would find what the emptied page held, also if the walk had ended there.
    fired(server.add(Fault(checking, edited(lambda bundle: bundle.update(entry=[])))))
    assert {"o4", "o5", "o6"} <= walked(client)


FOREIGN = [
    "http://internal:8080/fhir/Observation?_page={page}",
    "https://127.0.0.1/fhir/Observation?_page={page}",
    "http://127.0.0.1:443:443/fhir/Observation?_page={page}",
    "//fhir.internal/other/base/Observation?_page={page}",
    "http://user@{sink}/fhir/Observation?_page={page}",
    "http://{sink}/fhir/Observation?_page={page}",
]


def leading_to(link: str, sink: str) -> Callable[[Answer], Answer]:
    def change(bundle: Resource) -> None:
        for each in bundle["link"]:
            page = each["url"].partition("_page=")[2]
            each["url"] = link.format(page=page, sink=sink)

    return edited(change)


@pytest.mark.row(9)
@pytest.mark.parametrize("link", FOREIGN)
def test_a_link_to_another_origin_gets_no_request(
    server: FaultServer, client: FhirClient, fired: Fired, link: str
) -> None:
    with fault_serving(FaultServer()) as sink:
        address = sink.base_url.removeprefix("http://").removesuffix("/fhir")
        fired(server.add(Fault(first, leading_to(link, address))))
        with pytest.raises(ServerError, match=r"nothing was sent.*rewrite_links"):
            walked(client)
        assert sink.seen == []


@pytest.mark.row(9)
@pytest.mark.parametrize("link", FOREIGN)
def test_a_link_by_another_address_is_read_below_the_base_where_that_is_configured(
    server: FaultServer, fired: Fired, link: str
) -> None:
    with fault_serving(FaultServer()) as sink, client_of(server, rewrite_links=True) as client:
        address = sink.base_url.removeprefix("http://").removesuffix("/fhir")
        fired(server.add(Fault(lambda _: True, leading_to(link, address), 99)))
        assert walked(client) == set(KEYS)
        assert sink.seen == []


@pytest.mark.row(10)
@pytest.mark.parametrize(
    "link", ["Observation?_page={page}", "?_page={page}", "/fhir/Observation?_page={page}", "./Observation?_page={page}"]
)
def test_a_relative_link_is_resolved(
    server: FaultServer, client: FhirClient, fired: Fired, link: str
) -> None:
    fired(server.add(Fault(lambda _: True, leading_to(link, ""), 99)))
    assert walked(client) == set(KEYS)


PATIENTS = Query(
    "Observation",
    CodeFilter("code", ((LOINC, "72514-3"),)),
    PatientFilter("subject", "subject", ("p1", "p2", "p3", "p4")),
    (("_count", "2"),),
)


@pytest.mark.row(11)
def test_a_url_that_the_server_finds_too_long_is_cut_into_halves(
    server: FaultServer, client: FhirClient, fired: Fired
) -> None:
    server.put(observation("other", "p4"))
    fired(server.add(Fault(lambda seen: seen.method == "POST", answering(405))))
    fault = fired(server.add(Fault(lambda seen: len(seen.raw_path) > 110 and first(seen), answering(414), 99)))
    assert walked(client, PATIENTS) == {*KEYS, "other"}
    assert fault.fired > 0


@pytest.mark.row(11)
def test_a_url_too_long_that_cannot_be_cut_says_what_to_lower(
    server: FaultServer, client: FhirClient, fired: Fired
) -> None:
    fired(server.add(Fault(following, answering(414), 99)))
    with pytest.raises(IncompleteError, match="lower patient_batch and page_size"):
        walked(client)


@pytest.mark.row(12)
def test_a_refused_count_is_halved_and_remembered(
    server: FaultServer, client: FhirClient, fired: Fired
) -> None:
    def is_large(seen: Seen) -> bool:
        return int(seen.query.get("_count", ["0"])[0]) > 2

    fault = fired(server.add(Fault(is_large, lambda _: outcome(400, "too-costly"), 99)))
    assert walked(client, QUERY.with_count(8)) == set(KEYS)
    so_far = fault.fired
    assert walked(client, QUERY.with_count(8)) == set(KEYS)
    assert fault.fired == so_far


@pytest.mark.row(12)
def test_a_count_that_is_silently_lowered_ends_no_walk(fired: Fired) -> None:
    with (
        fault_serving(CappedServer([observation(key, "p1") for key in KEYS])) as server,
        client_of(server) as client,
    ):
        fired(server)
        assert walked(client, QUERY.with_count(50)) == set(KEYS)


def deep(server: FaultServer) -> Callable[[Seen], bool]:
    return lambda seen: seen.is_next and server._pages[seen.query["_page"][0]][2] >= 4


@pytest.mark.row(13)
def test_a_limit_of_offsets_is_passed_by_halves_of_the_query(
    server: FaultServer, client: FhirClient, fired: Fired
) -> None:
    for number in range(3):
        server.put(observation(f"x{number}", "p3"))
    for key in KEYS[3:]:
        server.put(observation(key, "p2"))
    fired(server.add(Fault(deep(server), answering(400), 99)))
    assert walked(client, PATIENTS) == {*KEYS, "x0", "x1", "x2"}


@pytest.mark.row(13)
def test_a_limit_of_offsets_that_cannot_be_passed_is_incomplete(
    server: FaultServer, client: FhirClient, fired: Fired
) -> None:
    fired(server.add(Fault(deep(server), answering(400), 99)))
    with pytest.raises(IncompleteError, match="larger page_size"):
        walked(client)
