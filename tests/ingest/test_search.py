"""Over real sockets: a walk brings every page or says that it did not; each fault is proved to have fired."""

import pickle
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from ingest.auth import BearerAuth
from ingest.client import FhirClient
from ingest.page import Answer as PageAnswer
from ingest.page import Page, read_apart, read_here, rejoined
from ingest.query import CodeFilter, PatientFilter, Query
from ingest.search import WalkLimits, walk
from mappings.errors import IncompleteError, ServerError, SignInError
from tests.ingest.examples import LOINC, QUICK, Resource, center, observation
from tests.ingest.loopback import START, Answer, Fault, FhirServer, Seen, outcome, serving, zipped

QUERY = Query("Observation", CodeFilter("code", ((LOINC, "72514-3"),)), None, (("_count", "2"),))
ALL = [f"o{number}" for number in range(7)]


@pytest.fixture
def server() -> Iterator[FhirServer]:
    with serving(FhirServer(observation(key, "p1") for key in ALL)) as running:
        yield running


def read_elsewhere(body: bytes, resource_type: str) -> PageAnswer:
    """As a worker does it, whose result is pickled."""
    sent = pickle.dumps(read_apart(body, resource_type))
    return rejoined(body, resource_type, *pickle.loads(sent))  # noqa: S301 - our own


@pytest.fixture(params=[read_here, read_elsewhere])
def client(server: FhirServer, request: pytest.FixtureRequest) -> Iterator[FhirClient]:
    told = center(server.base_url, auth=BearerAuth("SECRET-token"))
    with FhirClient(told, QUICK, read=request.param) as opened:
        yield opened


def first(seen: Seen) -> bool:
    return not seen.is_next


def following(seen: Seen) -> bool:
    return seen.is_next


def always(seen: Seen) -> bool:
    return True


def posted(seen: Seen) -> bool:
    return seen.method == "POST"


def strict(seen: Seen) -> bool:
    return "Prefer" in seen.headers


def status(code: int, **headers: str) -> Callable[[Answer], Answer]:
    return lambda _: Answer(code, b"SECRET body", headers)


def edit(change: Callable[[Resource], Any]) -> Callable[[Answer], Answer]:
    return lambda answer: answer.edited(change)


def next_is(url: str) -> Callable[[Answer], Answer]:
    return edit(lambda bundle: bundle.update(link=[{"relation": "next", "url": url}]))


def cut(answer: Answer) -> Answer:
    return replace(answer, body=answer.body[:-20], framing="close")


def empty(bundle: Resource) -> None:
    bundle["entry"] = []


def with_outcome(severity: str, code: str) -> Callable[[Answer], Answer]:
    issue = {"severity": severity, "code": code, "diagnostics": "SECRET"}
    entry = {
        "resource": {"resourceType": "OperationOutcome", "issue": [issue]},
        "search": {"mode": "outcome"},
    }
    return edit(lambda bundle: bundle["entry"].append(entry))


def pages(client: FhirClient, limits: WalkLimits | None = None) -> list[Page]:
    return list(walk(client, QUERY, limits))


def ids(found: list[Page]) -> list[str]:
    return [resource["id"] for page in found for resource in page.resources]


def test_every_page_is_read_in_order_with_the_servers_time(server: FhirServer, client: FhirClient) -> None:
    found = pages(client)
    assert ids(found) == ALL
    assert [len(page.resources) for page in found] == [2, 2, 2, 1]
    assert {page.server_time for page in found} == {START}
    assert all(seen.headers["Authorization"] == "Bearer SECRET-token" for seen in server.seen)


RECOVERED = {
    "429 with Retry-After": (first, status(429, **{"Retry-After": "0"}), 1),
    "429 with a malformed Retry-After": (following, status(429, **{"Retry-After": "soon"}), 1),
    "500 once": (first, status(500), 1),
    "503 twice on a next link": (following, status(503), 2),
    "cut without a length": (following, cut, 1),
    "cut before the announced length": (first, lambda answer: replace(answer, framing="long"), 1),
    "cut before the last chunk": (first, lambda answer: replace(answer, framing="chunk"), 2),
    "cut inside gzip": (first, lambda answer: cut(zipped(answer)), 1),
    "gzip": (always, zipped, 9),
    "strict handling refused": (strict, lambda _: outcome(400, "not-supported"), 1),
    "POST refused": (posted, status(405), 1),
    "unsupported media type for POST": (posted, status(415), 1),
    "next link expired": (following, status(410), 1),
    "next link unknown": (following, status(404), 2),
    "empty page in the middle": (following, lambda answer: answer.edited(empty), 1),
    "no length at all": (always, lambda answer: replace(answer, framing="close"), 9),
}


@pytest.mark.parametrize("name", RECOVERED)
def test_a_passing_fault_loses_nothing(server: FhirServer, client: FhirClient, name: str) -> None:
    when, change, times = RECOVERED[name]
    fault = server.add(Fault(when, change, times))
    assert set(ids(pages(client))) == set(ALL)
    assert fault.fired == times if times < 9 else fault.fired > 0


def relative(answer: Answer) -> Answer:
    def change(bundle: Resource) -> None:
        for link in bundle["link"]:
            link["url"] = link["url"].rpartition("/")[2]

    return answer.edited(change)


def query_only(answer: Answer) -> Answer:
    def change(bundle: Resource) -> None:
        for link in bundle["link"]:
            link["url"] = "?" + link["url"].partition("?")[2]

    return answer.edited(change)


def rooted(answer: Answer) -> Answer:
    def change(bundle: Resource) -> None:
        for link in bundle["link"]:
            link["url"] = "/fhir/" + link["url"].rpartition("/")[2]

    return answer.edited(change)


@pytest.mark.parametrize("change", [relative, query_only, rooted])
@pytest.mark.parametrize("takes_post", [True, False])
def test_a_relative_next_link_is_followed(
    server: FhirServer, client: FhirClient, change: Callable[[Answer], Answer], takes_post: bool
) -> None:
    if not takes_post:
        server.add(Fault(posted, status(405)))
    fault = server.add(Fault(lambda seen: takes_post or not posted(seen), change, times=9))
    assert ids(pages(client)) == ALL
    assert fault.fired == 5  # four pages, and one of ids


LOST = {
    "HTML sign-in page": (
        first,
        lambda _: Answer(200, b"<html>SECRET</html>", {"Content-Type": "text/html"}),
    ),
    "500 for good": (following, status(500)),
    "cut for good": (following, cut),
    "duplicate keys": (
        first,
        lambda answer: replace(answer, body=answer.body[:-1] + b', "type": "searchset"}'),
    ),
    "NaN": (first, lambda answer: replace(answer, body=answer.body[:-1] + b', "total": NaN}')),
    "not UTF-8": (following, lambda answer: replace(answer, body=answer.body.decode().encode("utf-16"))),
    "an OperationOutcome instead": (following, lambda _: replace(outcome(200, "exception"), status=200)),
    "another Bundle type": (first, edit(lambda bundle: bundle.update(type="history"))),
    "entries that are no list": (first, edit(lambda bundle: bundle.update(entry={}))),
    "redirect": (following, status(302, Location="/fhir/metadata")),
    "next link expired for good": (following, status(410)),
    "sign-in lost": (following, status(401)),
}


@pytest.mark.parametrize("name", LOST)
def test_a_lasting_fault_is_an_error_and_never_the_end_of_the_data(
    server: FhirServer, client: FhirClient, name: str
) -> None:
    when, change = LOST[name]
    fault = server.add(Fault(when, change, times=99))
    with pytest.raises(Exception, match="center a") as caught:
        pages(client)
    assert isinstance(caught.value, ServerError | SignInError)
    assert "SECRET" not in str(caught.value)
    assert "CANARY" not in str(caught.value)
    assert fault.fired > 0


def test_an_expired_walk_is_restarted_a_bounded_number_of_times(
    server: FhirServer, client: FhirClient
) -> None:
    fault = server.add(Fault(following, status(410), times=99))
    with pytest.raises(IncompleteError):
        pages(client)
    assert fault.fired == WalkLimits().restarts + 1
    assert len(server.asked("Observation")) == WalkLimits().restarts + 1


@pytest.mark.parametrize(
    "scheme", ["http://{sink}/fhir/Observation?page=2", "//{sink}/fhir", "http://a@{sink}/x"]
)
def test_a_foreign_next_link_gets_no_request_and_no_credential(
    server: FhirServer, client: FhirClient, scheme: str
) -> None:
    with serving(FhirServer()) as sink:
        url = scheme.format(sink=sink.base_url.removeprefix("http://").removesuffix("/fhir"))
        fault = server.add(Fault(first, next_is(url)))
        with pytest.raises(ServerError, match="nothing was sent"):
            pages(client)
        assert fault.fired == 1
        assert sink.seen == []


def test_a_redirect_to_a_foreign_origin_gets_no_request(server: FhirServer, client: FhirClient) -> None:
    with serving(FhirServer()) as sink:
        fault = server.add(Fault(first, status(307, Location=f"{sink.base_url}/Observation/_search")))
        with pytest.raises(ServerError, match="307"):
            pages(client)
        assert fault.fired == 1
        assert sink.seen == []


def test_a_loop_of_links_ends(server: FhirServer, client: FhirClient) -> None:
    fault = server.add(Fault(following, next_is(f"{server.base_url}/Observation?_page=p0"), times=99))
    with pytest.raises(ServerError, match="already read"):
        pages(client)
    assert fault.fired == 1


def endless(server: FhirServer, change: Callable[[Resource], Any]) -> Fault:
    """From the second page on, ever new links."""

    def renew(answer: Answer) -> Answer:
        token = f"x{len(server.seen)}"
        server._pages[token] = server._pages["p0"]
        link = [{"relation": "next", "url": f"{server.base_url}/Observation?_page={token}"}]
        return answer.edited(lambda bundle: (change(bundle), bundle.update(link=link)))

    return server.add(Fault(following, renew, times=99))


def test_endless_empty_pages_end(server: FhirServer, client: FhirClient) -> None:
    fault = endless(server, empty)
    with pytest.raises(ServerError, match="3 empty pages in a row"):
        pages(client, WalkLimits(empty_pages=3))
    assert fault.fired == 3


def test_endless_full_pages_end(server: FhirServer, client: FhirClient) -> None:
    fault = endless(server, dict.copy)
    with pytest.raises(ServerError, match="more than 5 pages"):
        pages(client, WalkLimits(pages=5))
    assert fault.fired == 4


@pytest.mark.parametrize(
    ("severity", "code", "is_loss"),
    [
        ("warning", "processing", False),
        ("information", "informational", False),
        ("warning", "incomplete", True),
        ("error", "processing", True),
        ("fatal", "exception", True),
        ("SECRET", "SECRET", True),
    ],
)
def test_an_outcome_entry_is_an_issue_and_never_data(
    server: FhirServer, client: FhirClient, severity: str, code: str, is_loss: bool
) -> None:
    fault = server.add(Fault(following, with_outcome(severity, code)))
    found = pages(client)
    assert ids(found) == ALL
    assert [issue.is_loss for page in found for issue in page.issues] == [is_loss]
    assert "SECRET" not in str([page.issues for page in found])
    assert fault.fired == 1


def test_entries_are_routed_by_type_and_others_counted(server: FhirServer, client: FhirClient) -> None:
    extra = [{"resource": {"resourceType": "Patient", "id": "x"}}, {"fullUrl": "urn:x"}, {"resource": "x"}]
    fault = server.add(Fault(first, edit(lambda bundle: bundle["entry"].extend(extra))))
    found = pages(client)
    assert ids(found) == ALL
    assert (sum(page.ignored for page in found), sum(page.lost for page in found)) == (1, 2)
    assert fault.fired == 1


def test_a_page_without_date_has_no_server_time(server: FhirServer, client: FhirClient) -> None:
    server.without_date = True
    assert {page.server_time for page in pages(client)} == {None}


def test_by_get_a_long_query_is_cut_and_nothing_is_lost(server: FhirServer, client: FhirClient) -> None:
    patients = tuple(f"patient-{number:04}" for number in range(300))
    for patient_id in patients[::10]:
        server.put(observation(f"obs-{patient_id}", patient_id))
    codes = CodeFilter("code", ((LOINC, "72514-3"), *((LOINC, f"{number}-0") for number in range(60))))
    query = Query("Observation", codes, PatientFilter("subject", "subject", patients), (("_count", "200"),))
    fault = server.add(Fault(posted, status(405)))
    found = list(walk(client, query))
    assert sorted(set(ids(found))) == [f"obs-{patient_id}" for patient_id in patients[::10]]
    assert fault.fired == 1
    gets = [seen for seen in server.seen if seen.method == "GET"]
    assert len(gets) > 1
    assert max(len(server.base_url.removesuffix("/fhir") + seen.raw_path) for seen in gets) <= 1900


def test_by_post_patients_stay_out_of_urls(server: FhirServer, client: FhirClient) -> None:
    for key in ("s1", "s2", "s3"):
        server.put(observation(key, "SECRET-patient"))
    patients = PatientFilter("subject", "subject", ("SECRET-patient",))
    assert ids(list(walk(client, Query("Observation", None, patients, (("_count", "2"),))))) == [
        "s1",
        "s2",
        "s3",
    ]
    assert not any("SECRET" in seen.raw_path for seen in server.seen)
