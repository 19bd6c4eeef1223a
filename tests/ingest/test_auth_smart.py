"""SMART Backend Services end to end: signing in, keeping a token, replacing it, what scopes let us read."""

import datetime as dt
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from ingest import assertion as assertion_module
from ingest.auth import BearerAuth
from ingest.client import FhirClient
from ingest.query import Query
from ingest.search import walk
from ingest.smart import MARGIN, SHORT_LIFE, SmartTokens
from mappings.errors import SignInError
from tests.ingest.examples import QUICK, center, observation
from tests.ingest.loopback import Answer, Fault
from tests.ingest.smart_servers import (
    QUERY,
    Servers,
    client,
    found,
    pem,
    private_key,
    refused,
    smart,
    smart_servers,
)


@pytest.fixture
def servers() -> Iterator[Servers]:
    with smart_servers() as running:
        yield running


@pytest.mark.parametrize("algorithm", ["RS384", "ES384"])
def test_a_client_signs_in_and_reads(servers: Servers, algorithm: Any) -> None:
    with client(servers, smart(algorithm)) as opened:
        assert found(opened) == ["o1"]
        assert opened.remarks == ()
    assert servers.tokens.problems == []
    assert servers.tokens.seen[0].query["scope"] == ["system/Patient.rs system/Observation.rs"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"key_id": "kid-ES384"}, "InvalidAlgorithmError"),
        ({"key_id": "old"}, "unknown kid or typ"),
        ({"client_id": "somebody"}, "iss, sub or aud"),
        ({"key": "other"}, "InvalidSignatureError"),
    ],
)
def test_the_authorization_server_of_these_tests_refuses_what_is_wrong(
    servers: Servers, changes: dict[str, Any], problem: str
) -> None:
    if changes.get("key") == "other":
        changes = {"key": pem(private_key("another RSA key"))}
    error = refused(servers, smart(**changes))
    assert isinstance(error, SignInError)
    assert "(invalid_client)" in str(error)
    assert "auth.key_id" in str(error)
    assert servers.tokens.problems == [problem]


def test_the_authorization_server_of_these_tests_refuses_a_jti_used_before(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assertion_module.uuid, "uuid4", lambda: "always the same")
    with client(servers) as opened:
        found(opened)
        servers.clock.pass_by(300)
        with pytest.raises(SignInError):
            found(opened)
    assert set(servers.tokens.problems) == {"jti used before"}


def test_the_authorization_server_of_these_tests_refuses_an_assertion_that_lives_too_long(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assertion_module, "ASSERTION_LIFE", dt.timedelta(seconds=301))
    assert isinstance(refused(servers), SignInError)
    assert servers.tokens.problems == ["exp"]


def test_keys_are_rotated_by_configuration_alone(servers: Servers) -> None:
    servers.tokens.keys["new"] = ("RS384", private_key("new").public_key())
    for auth in (smart(), smart(key=pem(private_key("new")), key_id="new")):
        with client(servers, auth) as opened:
            assert found(opened) == ["o1"]


@pytest.mark.row(47)
def test_one_token_serves_until_shortly_before_it_expires(servers: Servers) -> None:
    with client(servers) as opened:
        found(opened)
        servers.clock.pass_by(300 - MARGIN.total_seconds() - 1)
        found(opened)
        assert len(servers.tokens.tokens) == 1
        servers.clock.pass_by(1)
        assert found(opened) == ["o1"]
    assert len(servers.tokens.tokens) == 2
    assert servers.fhir.refused == 0


@pytest.mark.parametrize(
    ("told", "life"),
    [
        (None, SHORT_LIFE),
        (-1, SHORT_LIFE),
        (0, SHORT_LIFE),
        (True, SHORT_LIFE),
        ("soon", SHORT_LIFE),
        ([300], SHORT_LIFE),
        (600, dt.timedelta(minutes=10)),
        ("600", dt.timedelta(minutes=10)),
        (600.5, dt.timedelta(seconds=600.5)),
        (10**30, dt.timedelta(days=1)),
        ("9" * 400, dt.timedelta(days=1)),
    ],
)
def test_a_life_that_is_not_told_or_nonsense_is_short_and_a_long_one_bounded(
    servers: Servers, told: object, life: dt.timedelta
) -> None:
    servers.tokens.lifetime = told
    tokens = SmartTokens(center(servers.fhir.base_url), smart(), servers.clock)
    first = tokens.header()
    servers.clock.now += life - MARGIN - dt.timedelta(seconds=0.1)
    assert tokens.header() == first
    servers.clock.pass_by(0.2)
    assert tokens.header() != first
    tokens.close()


def test_a_token_that_lives_seconds_is_used_for_half_its_life(servers: Servers) -> None:
    servers.tokens.lifetime = 10
    with client(servers) as opened:
        found(opened)
        servers.clock.pass_by(4)
        found(opened)
        assert len(servers.tokens.tokens) == 1
        servers.clock.pass_by(1)
        found(opened)
    assert len(servers.tokens.tokens) == 2


@pytest.mark.row(47)
def test_a_token_refused_in_the_middle_is_replaced_once(servers: Servers) -> None:
    with client(servers) as opened:
        found(opened)
        servers.fhir.revoked.add("SECRET-token-0")
        assert found(opened) == ["o1"]
    assert servers.fhir.refused == 1
    assert list(servers.tokens.tokens) == ["SECRET-token-0", "SECRET-token-1"]


@pytest.mark.row(47)
def test_a_token_refused_always_is_a_sign_in_error_after_exactly_one_more(servers: Servers) -> None:
    servers.fhir.refuses_all = True
    error = refused(servers)
    assert isinstance(error, SignInError)
    assert "answered 401" in str(error)
    assert (servers.fhir.refused, len(servers.tokens.tokens)) == (2, 2)


def test_a_refused_password_or_fixed_token_is_not_repeated(servers: Servers) -> None:
    told = center(servers.fhir.base_url, auth=BearerAuth("SECRET-old"))
    with FhirClient(told, QUICK, servers.clock) as opened, pytest.raises(SignInError):
        found(opened)
    assert servers.fhir.refused == 1


@pytest.mark.row(47)
def test_threads_share_one_token_request_at_the_start_and_after_a_refusal(servers: Servers) -> None:
    tokens = SmartTokens(center(servers.fhir.base_url), smart(), servers.clock)
    started = threading.Barrier(8)
    headers: list[str] = []

    def work() -> None:
        started.wait()
        first = tokens.header()
        started.wait()
        tokens.refuse(first)
        headers.extend((first, tokens.header()))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tokens.close()
    assert len(headers) == 16
    assert set(headers) == {"Bearer SECRET-token-0", "Bearer SECRET-token-1"}
    assert len(servers.tokens.seen) == 2


@pytest.mark.row(49)
def test_scopes_not_granted_are_a_remark_and_a_type_without_scope_fails_by_itself(servers: Servers) -> None:
    servers.tokens.scope = "system/Patient.rs openid SECRET-scope"
    with client(servers) as opened:
        assert found(opened, Query("Patient", None, None, ())) == ["p1"]
        assert opened.remarks == ("The server of center a did not grant system/Observation.rs.",)
        with pytest.raises(SignInError, match=r"granted no scope to search all of Observation") as caught:
            opened.search(QUERY)
        assert "system/Observation.rs" in caught.value.next_step
    assert servers.fhir.asked("Observation") == []


@pytest.mark.parametrize("scope", [None, "", " "])
def test_a_server_that_does_not_tell_the_scopes_granted_what_was_asked(
    servers: Servers, scope: str | None
) -> None:
    servers.tokens.scope = scope
    with client(servers) as opened:
        assert found(opened) == ["o1"]
        assert opened.remarks == ()


@pytest.mark.row(47)
def test_a_walk_goes_on_when_its_token_is_refused_between_two_pages(servers: Servers) -> None:
    for number in range(2, 8):
        servers.fhir.put(observation(f"o{number}", "p1"))
    expiring = servers.fhir.add(
        Fault(lambda seen: "_search" in seen.path, lambda answer: revoked(servers, answer), times=1)
    )
    query = replace(QUERY, options=(("_count", "3"),))
    with client(servers) as opened:
        ids = [each["id"] for page in walk(opened, query) for each in page.resources]
    assert ids == [f"o{number}" for number in range(1, 8)]
    assert (expiring.fired, servers.fhir.refused) == (1, 1)


def revoked(servers: Servers, answer: Answer) -> Answer:
    servers.fhir.revoked.update(servers.tokens.tokens)
    return answer
