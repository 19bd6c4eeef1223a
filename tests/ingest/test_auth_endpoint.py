"""Token endpoints and smart-configurations that refuse, fail, redirect or answer nonsense."""

import datetime as dt
import gzip
import json
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import pytest

from ingest import client as client_module
from ingest.client import FhirClient
from ingest.smart import Patience, SmartTokens
from ingest.stopping import Stopping
from ingest.stream import Caps
from mappings.errors import ConfigError, ServerError, SignInError
from tests.ingest.examples import QUICK, center
from tests.ingest.loopback import Answer, Fault, serving
from tests.ingest.smart_servers import (
    JSON,
    QUERY,
    AuthorizationServer,
    Servers,
    answers,
    client,
    found,
    refused,
    smart,
    smart_servers,
)


@pytest.fixture
def servers() -> Iterator[Servers]:
    with smart_servers() as running:
        yield running


@pytest.mark.row(48)
def test_a_refused_client_is_told_at_once_and_not_asked_about_again(servers: Servers) -> None:
    with client(servers, smart(client_id="somebody")) as opened:
        for _ in range(3):
            with pytest.raises(SignInError, match="invalid_client"):
                opened.search(QUERY)
    assert len(servers.tokens.seen) == 1


@pytest.mark.parametrize(
    ("code", "step"),
    [
        ("invalid_scope", "auth.scopes"),
        ("unauthorized_client", "client_credentials grant"),
        ("unsupported_grant_type", "SMART Backend Services"),
        ("SECRET-code", "auth.client_id"),
        (["SECRET"], "auth.client_id"),
    ],
)
def test_each_refusal_has_its_next_step_and_quotes_nothing(servers: Servers, code: object, step: str) -> None:
    answers(servers, 401, body=json.dumps({"error": code, "error_description": "SECRET"}).encode())
    error = refused(servers)
    assert isinstance(error, SignInError)
    assert step in str(error)


@pytest.mark.row(48)
def test_a_400_to_a_client_that_was_let_in_before_is_tried_again(servers: Servers) -> None:
    with client(servers) as opened:
        found(opened)
        left = answers(servers, 400, 400, body=b"")
        servers.clock.pass_by(300)
        assert found(opened) == ["o1"]
    assert left == []
    assert servers.tokens.problems == []


@pytest.mark.row(48)
@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_token_endpoint_that_fails_is_asked_again_with_a_new_assertion(
    servers: Servers, status: int
) -> None:
    left = answers(servers, status, status)
    with client(servers) as opened:
        assert found(opened) == ["o1"]
    assert left == []
    assert len(set(servers.tokens.assertions)) == 3
    assert servers.tokens.problems == []


def test_a_token_endpoint_that_keeps_failing_is_a_server_error(servers: Servers) -> None:
    left = answers(servers, *[503] * 9, body=b"<html>SECRET</html>")
    error = refused(servers)
    assert isinstance(error, ServerError)
    assert "token endpoint of center a answered 503" in str(error)
    assert len(left) == 9 - 3


class Noted(Stopping):
    """Waits that are noted and take no time."""

    def __init__(self) -> None:
        super().__init__("a", bool)
        self.waits: list[float] = []

    def wait(self, seconds: float, *_: object) -> None:
        self.waits.append(seconds)


def test_waits_follow_retry_after_and_grow_otherwise_within_the_cap(servers: Servers) -> None:
    noted = Noted()
    headers = (
        {"Retry-After": told} if told else {}
        for told in ("7", "Sun, 01 Mar 2026 12:00:09 GMT", "soon", None, "9999")
    )
    codes = [503] * 5

    def change(answer: Answer) -> Answer:
        return Answer(codes.pop(), b"", JSON | next(headers)) if codes else answer

    servers.tokens.change = change
    tokens = SmartTokens(center(servers.fhir.base_url), smart(), servers.clock, Patience(6, 0.5, 60.0), noted)
    tokens.header()
    tokens.close()
    assert noted.waits == [7.0, 9.0, 2.0, 4.0, 60.0]


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b"<html>SECRET sign in</html>", "without an access token"),
        (200, b"{}", "without an access token"),
        (200, b'["SECRET"]', "without an access token"),
        (200, b'{"access_token": 7, "token_type": "bearer"}', "without an access token"),
        (200, b'{"access_token": "SECRET\\r\\nX: y", "token_type": "bearer"}', "without an access token"),
        (200, b'{"access_token": "", "token_type": "bearer"}', "without an access token"),
        (200, b'{"access_token": "SECRET", "token_type": "mac"}', "not a bearer token"),
        (200, b'{"access_token": "SECRET"}', "not a bearer token"),
        (
            200,
            b'{"access_token": "' + b"x" * 70_000 + b'", "token_type": "bearer"}',
            "without an access token",
        ),
        (404, b"SECRET", "answered 404"),
        (302, b"", "redirects are not followed"),
        (307, b"", "redirects are not followed"),
    ],
)
def test_an_answer_without_a_usable_token_is_a_server_error(
    servers: Servers, status: int, body: bytes, said: str
) -> None:
    with serving(AuthorizationServer(servers.clock)) as sink:
        answers(servers, status, body=body, Location=sink.token_url)
        error = refused(servers)
        assert sink.seen == []
    assert isinstance(error, ServerError)
    assert said in str(error)
    assert len(servers.tokens.seen) == 1


def test_a_token_endpoint_that_is_down_is_told_with_its_kind(servers: Servers) -> None:
    error = refused(servers, smart(token_url="http://127.0.0.1:9/token"))
    assert isinstance(error, ServerError)
    assert "token endpoint of center a could not be reached (ConnectionError)" in str(error)


@pytest.mark.row(50)
@pytest.mark.parametrize(("ours", "side"), [(400, "400 s ahead of"), (-400, "400 s behind")])
def test_a_wrong_clock_is_named(servers: Servers, ours: float, side: str) -> None:
    theirs = servers.clock.now
    tokens = SmartTokens(
        center(servers.fhir.base_url), smart(), lambda: theirs + dt.timedelta(seconds=ours), Patience(1)
    )
    with pytest.raises(SignInError, match=f"clock of this machine is {side}") as caught:
        tokens.header()
    tokens.close()
    assert "set the clock" in caught.value.next_step
    assert servers.tokens.problems == ["exp"]


@pytest.mark.row(50)
@pytest.mark.parametrize("lead", [-200, 50])
def test_a_clock_that_is_a_little_off_does_no_harm(servers: Servers, lead: float) -> None:
    theirs = servers.clock.now
    tokens = SmartTokens(
        center(servers.fhir.base_url), smart(), lambda: theirs + dt.timedelta(seconds=lead), Patience(1)
    )
    assert tokens.header() == "Bearer SECRET-token-0"
    tokens.close()


@pytest.mark.parametrize(
    "told",
    [
        {"token_endpoint": None},
        {"token_endpoint": 7},
        {"token_endpoint": "http://auth.example.org/token"},
        {"token_endpoint": "https://user@auth.example.org/token"},
        {"token_endpoint": "https://auth.example.org/token#x"},
        {"token_endpoint": "/token"},
        {"token_endpoint": "file:///etc/passwd"},
    ],
)
def test_a_token_endpoint_that_must_not_be_used_gets_nothing(
    servers: Servers, told: dict[str, object]
) -> None:
    servers.fhir.told = told
    error = refused(servers)
    assert isinstance(error, ServerError)
    assert "auth.token_url" in str(error)
    assert servers.tokens.seen == []


def test_a_server_elsewhere_cannot_send_an_assertion_to_this_machine() -> None:
    tokens = SmartTokens(center("https://fhir.example.org/r4"), smart(), lambda: dt.datetime.now(dt.UTC))
    assert not tokens._is_usable("https://127.0.0.1:8080/token")
    assert not tokens._is_usable("http://localhost/token")
    assert tokens._is_usable("https://auth.example.org/token")
    tokens.close()


@pytest.mark.parametrize("url", ["http://auth.example.org/token", "auth.example.org", ""])
def test_a_configured_token_endpoint_must_be_https(url: str) -> None:
    with pytest.raises(ConfigError, match=r"auth\.token_url"):
        smart(token_url=url)


def test_a_server_without_smart_configuration_is_told_what_to_do(servers: Servers) -> None:
    servers.fhir.told = {}
    told = center(servers.fhir.base_url.replace("/fhir", "/elsewhere"), auth=smart())
    with FhirClient(told, QUICK, servers.clock) as opened, pytest.raises(ServerError) as caught:
        opened.search(QUERY)
    assert "told no token endpoint in its .well-known/smart-configuration (answered 401)" in str(caught.value)
    assert "set auth.token_url" in str(caught.value)


def test_a_configured_token_endpoint_needs_no_discovery(servers: Servers) -> None:
    with client(servers, smart(token_url=servers.tokens.token_url)) as opened:
        assert found(opened) == ["o1"]
    assert [seen.path for seen in servers.fhir.seen] == ["/fhir/Observation/_search"]


def test_an_algorithm_the_server_does_not_take_is_told_before_anything_is_signed(servers: Servers) -> None:
    servers.fhir.told = {"token_endpoint_auth_signing_alg_values_supported": ["ES384"]}
    error = refused(servers)
    assert isinstance(error, SignInError)
    assert "no assertion signed by RS384" in str(error)
    assert servers.tokens.seen == []
    with client(servers, smart("ES384")) as opened:
        assert found(opened) == ["o1"]


def test_the_endpoint_is_discovered_once(servers: Servers) -> None:
    with client(servers) as opened:
        found(opened)
        servers.clock.pass_by(300)
        found(opened)
    discoveries = [seen for seen in servers.fhir.seen if ".well-known" in seen.path]
    assert len(discoveries) == 1
    assert "Authorization" not in discoveries[0].headers


def test_a_redirect_is_an_answer_that_is_neither_parsed_nor_read_beyond_the_cap(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "PAGE_CAPS", Caps(decoded=1024 * 1024))
    headers = {"Location": "http://127.0.0.1:1:2/", "Content-Encoding": "gzip"}
    answers = [Answer(307, gzip.compress(bytes(size)), headers) for size in (0, 32 * 1024 * 1024)]
    fault = servers.fhir.add(Fault(lambda seen: "_search" in seen.path, lambda _: answers.pop(0), times=2))
    with client(servers) as opened:
        reply = opened.search(QUERY)
        assert reply is not None
        assert reply.status == 307
        tracemalloc.start()
        reply = opened.search(QUERY)
        assert reply is not None
        assert reply.status == 307
        assert tracemalloc.get_traced_memory()[1] < 8 * 1024 * 1024
        tracemalloc.stop()
    assert fault.fired == 2


@dataclass
class Endless:
    """A token endpoint that goes on sending `chunk` every `pause` seconds, at most `most` times."""

    chunk: bytes
    pause: float
    most: int
    sent: int = 0
    url: str = ""

    def serve(self, listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
            while self.sent < self.most:
                connection.sendall(self.chunk)
                self.sent += 1
                time.sleep(self.pause)


@contextmanager
def endless(server: Endless) -> Iterator[Endless]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server.url = f"http://127.0.0.1:{listening.getsockname()[1]}/token"
        thread = threading.Thread(target=server.serve, args=(listening,))
        thread.start()
        yield server
        thread.join()


@pytest.mark.parametrize(
    ("server", "read_timeout"),
    [(Endless(b" ", pause=0.05, most=400), 0.5), (Endless(b" " * 65536, pause=0.0, most=2000), 60.0)],
    ids=["slow drip", "flood"],
)
def test_an_answer_without_end_is_given_up_in_time_and_size(
    servers: Servers, server: Endless, read_timeout: float
) -> None:
    with endless(server) as running:
        told = center(servers.fhir.base_url, read_timeout=read_timeout)
        tokens = SmartTokens(told, smart(token_url=running.url), servers.clock, Patience(1))
        with pytest.raises(ServerError, match="without an access token"):
            tokens.header()
        tokens.close()
    assert 0 < server.sent < server.most / 2
