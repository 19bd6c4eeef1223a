"""The client believes only complete, strict answers, and tells failures without telling content."""

import datetime as dt
import email.utils
import json
from collections.abc import Iterator

import pytest
import requests
import responses

from ingest import client as client_module
from ingest.auth import BasicAuth, BearerAuth
from ingest.budget import RetryPolicy
from ingest.client import FhirClient
from ingest.query import CodeFilter, PatientFilter, Query
from ingest.reply import Reply, http_date, retry_after
from ingest.stream import Caps
from mappings.errors import ServerError, SignInError
from tests.ingest.examples import QUICK, center

BASE = "https://fhir.example.org/r4"
SEARCH = f"{BASE}/Observation/_search"
QUERY = Query(
    "Observation",
    CodeFilter("code", (("http://loinc.org", "72514-3"),)),
    PatientFilter("subject", "subject", ("SECRET-patient",)),
    (("_count", "200"),),
)
EMPTY = {"resourceType": "Bundle", "type": "searchset"}
OUTCOME = {
    "resourceType": "OperationOutcome",
    "issue": [
        {"severity": "error", "code": "processing", "diagnostics": "SECRET-diagnostics"},
        {"severity": "error", "code": "SECRET-code", "details": {"text": "SECRET-details"}},
    ],
}


@pytest.fixture
def server() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def client() -> Iterator[FhirClient]:
    with FhirClient(center(BASE, auth=BearerAuth("SECRET-token")), QUICK) as opened:
        yield opened


def refusal(server: responses.RequestsMock, client: FhirClient, status: int, **more: object) -> Reply:
    server.post(SEARCH, status=status, **more)
    reply = client.search(QUERY)
    assert reply is not None
    return reply


def test_a_search_is_a_form_with_the_headers_fhir_wants(
    server: responses.RequestsMock, client: FhirClient
) -> None:
    server.post(SEARCH, json=EMPTY, headers={"Date": "Sun, 01 Mar 2026 12:00:00 GMT"})
    reply = client.search(QUERY)
    sent = server.calls[0].request
    assert sent.body == "code=http%3A%2F%2Floinc.org%7C72514-3&subject=Patient%2FSECRET-patient&_count=200"
    assert sent.url == SEARCH
    assert {name: sent.headers[name] for name in ("Accept", "Cache-Control", "Prefer", "Content-Type")} == {
        "Accept": "application/fhir+json",
        "Cache-Control": "no-cache",
        "Prefer": "handling=strict",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    assert sent.headers["Authorization"] == "Bearer SECRET-token"
    assert reply == Reply(200, f"{BASE}/Observation", EMPTY, dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC))


def test_basic_credentials_are_sent(server: responses.RequestsMock) -> None:
    server.post(SEARCH, json=EMPTY)
    with FhirClient(center(BASE, auth=BasicAuth("u", "p")), QUICK) as client:
        client.search(QUERY)
    assert server.calls[0].request.headers["Authorization"] == "Basic dTpw"


def test_netrc_and_proxies_of_the_environment_are_ignored(
    monkeypatch: pytest.MonkeyPatch, server: responses.RequestsMock
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    server.post(SEARCH, json=EMPTY)
    with FhirClient(center(BASE), QUICK) as client:
        client.search(QUERY)
    assert "Authorization" not in server.calls[0].request.headers
    assert not server.calls[0].request.req_kwargs["proxies"]


@pytest.mark.parametrize("status", [400, 422])
def test_strict_handling_is_given_up_once_and_for_good(
    server: responses.RequestsMock, client: FhirClient, status: int
) -> None:
    server.post(SEARCH, status=status, json=OUTCOME)
    server.post(SEARCH, json=EMPTY)
    server.post(SEARCH, json=EMPTY)
    assert client.search(QUERY) is not None
    assert client.search(QUERY) is not None
    assert ["Prefer" in call.request.headers for call in server.calls] == [True, False, False]


def test_strict_handling_is_kept_when_it_was_not_the_reason(
    server: responses.RequestsMock, client: FhirClient
) -> None:
    server.post(SEARCH, status=400, json=OUTCOME)
    server.post(SEARCH, status=400, json=OUTCOME)
    server.post(SEARCH, json=EMPTY)
    client.search(QUERY)
    client.search(QUERY)
    assert ["Prefer" in call.request.headers for call in server.calls] == [True, False, True]


@pytest.mark.parametrize("status", [404, 405, 415, 501])
def test_a_server_without_post_is_asked_by_get_from_then_on(
    server: responses.RequestsMock, client: FhirClient, status: int
) -> None:
    server.post(SEARCH, status=status)
    server.get(f"{BASE}/Observation", json=EMPTY)
    assert client.search(QUERY) is None
    replies = [client.search(QUERY), client.search(QUERY)]
    assert [reply.resource for reply in replies if reply] == [EMPTY, EMPTY]
    assert [call.request.method for call in server.calls] == ["POST", "GET", "GET"]


def test_a_missing_type_is_no_reason_to_put_patients_into_urls(
    server: responses.RequestsMock, client: FhirClient
) -> None:
    server.post(SEARCH, json=EMPTY)
    server.post(SEARCH, status=404)
    client.search(QUERY)
    reply = client.search(QUERY)
    assert reply is not None
    assert reply.status == 404
    assert {call.request.method for call in server.calls} == {"POST"}


def test_a_query_is_too_long_only_when_it_goes_into_a_url(
    server: responses.RequestsMock, client: FhirClient
) -> None:
    many = Query("Observation", None, PatientFilter("subject", "subject", tuple(map(str, range(500)))), ())
    assert not client.is_too_long(many)
    server.post(SEARCH, status=405)
    client.search(QUERY)
    assert client.is_too_long(many)
    assert not client.is_too_long(QUERY)


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_a_sign_in_error(
    server: responses.RequestsMock, client: FhirClient, status: int
) -> None:
    reply = refusal(server, client, status, body="<html>SECRET</html>", content_type="text/html")
    with pytest.raises(SignInError, match=f"center a answered {status}") as caught:
        client.successful(reply, "Observation")
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("status", [302, 400, 406, 410, 500, 503])
def test_a_failure_tells_status_type_and_issue_codes_and_nothing_else(
    server: responses.RequestsMock, client: FhirClient, status: int
) -> None:
    reply = refusal(server, client, status, json=OUTCOME)
    with pytest.raises(ServerError, match=rf"answered {status} to a request for Observation") as caught:
        client.successful(reply, "Observation")
    assert "(OperationOutcome: processing, unknown)" in str(caught.value)
    assert "SECRET" not in str(caught.value)


def test_a_redirect_is_not_followed(server: responses.RequestsMock, client: FhirClient) -> None:
    reply = refusal(server, client, 307, headers={"Location": "https://evil.example/"})
    assert reply.status == 307
    assert len(server.calls) == 1


@pytest.mark.parametrize(
    "answer",
    [
        {"body": "<html>SECRET sign in</html>", "content_type": "text/html"},
        {"body": b'{"a": 1, "a": "SECRET"}', "content_type": "application/fhir+json"},
        {"body": b'{"a": NaN, "b": "SECRET"}', "content_type": "application/fhir+json"},
        {"body": b'["SECRET"]', "content_type": "application/json"},
        {"body": b'{"a": "SECRET', "content_type": "application/json"},
    ],
)
def test_a_body_that_is_not_strict_json_is_an_error_without_content(
    server: responses.RequestsMock, client: FhirClient, answer: dict[str, object]
) -> None:
    server.post(SEARCH, auto_calculate_content_length=True, **answer)
    with pytest.raises(ServerError) as caught:
        client.search(QUERY)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    "content_type", ["application/fhir+json; charset=UTF-8", "application/json", "text/json"]
)
def test_every_json_media_type_is_taken(
    server: responses.RequestsMock, client: FhirClient, content_type: str
) -> None:
    server.post(SEARCH, body=json.dumps(EMPTY), content_type=content_type)
    assert client.search(QUERY) is not None


def test_a_body_over_the_cap_is_refused(
    server: responses.RequestsMock, client: FhirClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "PAGE_CAPS", Caps(decoded=10))
    reply = refusal(server, client, 200, json=EMPTY)
    assert reply.is_oversize
    with pytest.raises(ServerError, match="too large"):
        client.successful(reply, "Observation")


@pytest.mark.parametrize(
    "error",
    [
        requests.ConnectionError("SECRET-url"),
        requests.ReadTimeout("SECRET-url"),
        requests.exceptions.SSLError(),
    ],
)
def test_an_unreachable_server_is_told_by_kind_only(
    server: responses.RequestsMock, client: FhirClient, error: requests.RequestException
) -> None:
    server.post(SEARCH, body=error)
    with pytest.raises(ServerError, match=type(error).__name__) as caught:
        client.search(QUERY)
    assert "SECRET" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/r4/Observation?page=2",
        "http://fhir.example.org/r4/Observation?page=2",
        "https://fhir.example.org:8443/r4/Observation?page=2",
        "https://fhir.example.org@evil.example/",
        "https://fhir.example.org\\@evil.example/",
        "file:///etc/passwd",
        "",
    ],
)
def test_nothing_is_sent_to_another_origin(
    server: responses.RequestsMock, client: FhirClient, url: str
) -> None:
    with pytest.raises(ServerError, match="nothing was sent"):
        client.get(url, "Observation")
    assert len(server.calls) == 0


@pytest.mark.parametrize(
    ("told", "seconds"),
    [("7", 7.0), ("0", 0.0), ("999999", 999999.0), ("-5", None), ("soon", None), ("", None), (None, None)],
)
def test_retry_after_is_read_in_seconds(told: str | None, seconds: float | None) -> None:
    assert retry_after(told, None) == seconds


def test_retry_after_may_be_a_date_by_the_servers_own_clock() -> None:
    told, date = "Sun, 01 Mar 2026 12:00:30 GMT", "Sun, 01 Mar 2026 12:00:00 GMT"
    assert retry_after(told, date) == 30.0
    assert retry_after(date, told) == 0.0
    soon = email.utils.format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=30), usegmt=True)
    assert 25 <= (retry_after(soon, None) or 0.0) <= 30


@pytest.mark.parametrize(
    ("asked", "low", "high"), [(None, 1.0, 1.5), (0.0, 1.0, 1.5), (7.0, 7.0, 7.0), (18_000.0, 60.0, 60.0)]
)
def test_a_wait_is_what_the_server_asked_between_our_backoff_and_our_patience(
    asked: float | None, low: float, high: float
) -> None:
    assert low <= RetryPolicy(backoff=0.5, max_wait=60.0).wait(2, asked) <= high


@pytest.mark.parametrize("told", [None, "yesterday", "Sun, 99 Mar 2026 12:00:00 GMT"])
def test_a_date_that_cannot_be_read_is_no_server_time(
    server: responses.RequestsMock, client: FhirClient, told: str | None
) -> None:
    server.post(SEARCH, json=EMPTY, headers={"Date": told} if told else {})
    reply = client.search(QUERY)
    assert reply is not None
    assert reply.server_time is None


def test_the_shipped_policy_waits_at_most_two_minutes_and_six_tries() -> None:
    assert RetryPolicy() == RetryPolicy(
        retries=5, backoff=0.5, max_wait=120.0, body_tries=3, exchange_seconds=600.0, tokens=50.0, refill=0.1
    )


@pytest.mark.parametrize("zone", ["GMT", "+0000", "-0000"])
def test_a_date_is_utc_however_its_zone_is_written(zone: str) -> None:
    assert http_date(f"Sun, 01 Mar 2026 12:00:00 {zone}") == dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
