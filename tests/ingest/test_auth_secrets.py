"""No credential is shown, and none leaves for an origin that was not configured, whatever link is served."""

import base64
import dataclasses
import logging
import traceback
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest import token_endpoint
from ingest.auth import Auth, BasicAuth, BearerAuth, OriginAuth, SmartAuth
from ingest.client import FhirClient
from ingest.search import walk
from ingest.smart import SmartTokens
from ingest.token_endpoint import TokenServer
from mappings.errors import CryocohortError, SignInError
from tests.ingest.examples import QUICK, center, observation, patient
from tests.ingest.loopback import Answer, Fault, FhirServer, Resource, serving
from tests.ingest.smart_servers import (
    QUERY,
    Servers,
    found,
    pem,
    private_key,
    smart,
    smart_servers,
)

PASSWORD = "SECRET-password"
BEARER = "SECRET-bearer"


@pytest.fixture
def servers() -> Iterator[Servers]:
    with smart_servers() as running:
        yield running


def secrets_of(servers: Servers) -> list[str]:
    """Every credential there was, in the forms in which it could be shown."""
    basic = base64.b64encode(f"SECRET-user:{PASSWORD}".encode()).decode()
    keys = [pem(private_key(algorithm)).decode().splitlines() for algorithm in ("RS384", "ES384")]
    key_lines = [line for lines in keys for line in lines if not line.startswith("---")]
    return [
        PASSWORD,
        "SECRET-user",
        BEARER,
        basic,
        *key_lines,
        *servers.tokens.assertions,
        *servers.tokens.tokens,
    ]


def shown(value: object, depth: int = 4) -> Iterator[str]:
    """What an object and the objects it holds show of themselves."""
    yield repr(value)
    yield str(value)
    if depth and type(value).__module__.startswith("ingest."):
        for inner in _attributes(value):
            if not isinstance(inner, str | bytes):  # the secret itself, which its owner's repr hides
                yield from shown(inner, depth - 1)


def _attributes(value: object) -> list[object]:
    if dataclasses.is_dataclass(value):
        return [getattr(value, each.name) for each in dataclasses.fields(value)]
    return list(vars(value).values()) if hasattr(value, "__dict__") else []


def break_things(servers: Servers, client: FhirClient) -> Iterator[CryocohortError]:
    """Errors of every kind that a client with credentials may raise."""
    changes: list[tuple[str, Any]] = [
        ("fhir", {"refuses_all": True}),
        ("tokens", {"change": lambda _: Answer(400, b'{"error": "invalid_grant"}')}),
        ("tokens", {"change": lambda answer: Answer(503, answer.body)}),
        ("tokens", {"change": lambda answer: Answer(200, answer.body[:-5], framing="long")}),
        ("tokens", {"change": lambda answer: Answer(200, answer.body.replace(b"bearer", b"mac"))}),
        ("fhir", {"told": {"token_endpoint": "http://127.0.0.1:9/token"}}),
    ]
    for name, change in changes:
        server = getattr(servers, name)
        before = {attribute: getattr(server, attribute) for attribute in change}
        vars(server).update(change)
        with FhirClient(client.center, QUICK, servers.clock) as fresh:
            for act in (partial(found, fresh), partial(fresh.get, "https://sink.example/", "Patient")):
                try:
                    act()
                except CryocohortError as error:
                    yield error
        vars(server).update(before)


@pytest.mark.parametrize(
    "auth", [smart(), smart("ES384"), BasicAuth("SECRET-user", PASSWORD), BearerAuth(BEARER)]
)
def test_no_credential_is_shown_by_objects_errors_or_logs(
    servers: Servers, auth: Auth, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    texts: list[str] = []
    with (
        caplog.at_level(logging.DEBUG),
        caplog.at_level(logging.DEBUG, logger="urllib3"),  # whatever a test before has set it to
        FhirClient(center(servers.fhir.base_url, auth=auth), QUICK, servers.clock) as client,
    ):
        if not isinstance(auth, BasicAuth | BearerAuth):
            found(client)
        texts += shown(client)
        errors = list(break_things(servers, client))
        texts += shown(client)
    for error in errors:
        texts += [repr(error), str(error), *traceback.format_exception(error)]
    texts += [caplog.text, *capfd.readouterr()]
    assert len(errors) >= 7
    assert "urllib3" in caplog.text
    assert {type(each) for each in (client, client._auth, client._session)} >= {FhirClient, OriginAuth}
    for secret in secrets_of(servers):
        assert not [text for text in texts if secret in text], type(auth).__name__


def test_the_search_for_shown_secrets_would_find_one(servers: Servers) -> None:
    @dataclasses.dataclass
    class Careless:
        token: str

    Careless.__module__ = "ingest.careless"
    assert any(BEARER in text for text in shown(Careless(BEARER)))


def test_a_token_goes_to_the_fhir_server_and_an_assertion_to_the_token_endpoint_only(
    servers: Servers,
) -> None:
    with FhirClient(center(servers.fhir.base_url, auth=smart()), QUICK, servers.clock) as client:
        assert found(client) == ["o1"]
        assert isinstance(client._tokens, SmartTokens)
    assert all("Authorization" not in seen.headers for seen in servers.tokens.seen)
    assert all("client_assertion" not in seen.query for seen in servers.fhir.seen)
    everything = [*servers.tokens.seen, *servers.fhir.seen]
    assert not [seen for seen in everything for secret in secrets_of(servers) if secret in seen.raw_path]


def test_an_answer_does_not_show_what_it_holds(servers: Servers) -> None:
    server = TokenServer(center(servers.fhir.base_url))
    answer = server.get(f"{servers.fhir.base_url}/.well-known/smart-configuration")
    server.close()
    assert isinstance(answer, token_endpoint.Answer)
    assert answer.content is not None
    assert "token_endpoint" in answer.content
    assert "token_endpoint" not in repr(answer)


def test_credentials_of_a_netrc_file_are_not_sent(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login SECRET-user password SECRET-netrc\n", encoding="utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with (
        FhirClient(center(servers.fhir.base_url), QUICK, servers.clock) as client,
        pytest.raises(SignInError),
    ):
        found(client)
    with FhirClient(center(servers.fhir.base_url, auth=smart()), QUICK, servers.clock) as client:
        assert found(client) == ["o1"]
    assert ["Authorization" in seen.headers for seen in servers.fhir.seen] == [False, False, True]
    assert servers.tokens.problems == []


LINKS = [
    "{sink}/fhir/Observation?_page=p0",
    "{sink}",
    "//{sink_host}/fhir/Observation",
    "http://{own_host}@{sink_host}/fhir",
    "http://{own_host}\\@{sink_host}/fhir",
    "http://{own_host}#@{sink_host}/fhir",
    "http://localhost:{own_port}/fhir/Observation",
    "HTTP://{sink_host}/fhir",
    "https://{own_host}/fhir",
    "\\\\{sink_host}\\fhir",
    "http:///{sink_host}/fhir",
    "{own}/../../{sink}",
    " {sink}/fhir",
    "{sink}\r\nHost: {own_host}",
]


@pytest.fixture(scope="module")
def sink() -> Iterator[FhirServer]:
    with serving(FhirServer()) as running:
        yield running


@pytest.fixture(scope="module")
def guarded() -> Iterator[Servers]:
    with smart_servers() as running:
        running.fhir.put(patient("p1"))
        for number in range(5):
            running.fhir.put(observation(f"x{number}", "p1"))
        yield running


def auths() -> st.SearchStrategy[Auth]:
    return st.sampled_from([smart(), BasicAuth("SECRET-user", PASSWORD), BearerAuth(BEARER)])


@pytest.mark.row(51)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    auth=auths(),
    template=st.sampled_from(LINKS) | st.text(st.characters(codec="utf-8"), max_size=40),
    way=st.sampled_from(["next", "redirect", "discovery redirect", "token redirect"]),
)
def test_no_link_or_redirect_takes_anything_to_another_origin(
    guarded: Servers, sink: FhirServer, auth: Auth, template: str, way: str
) -> None:
    own, other = guarded.fhir.base_url, sink.base_url
    places = {
        "{sink}": other.removesuffix("/fhir"),
        "{sink_host}": other.removesuffix("/fhir").removeprefix("http://"),
        "{own}": own.removesuffix("/fhir"),
        "{own_host}": own.removesuffix("/fhir").removeprefix("http://"),
        "{own_port}": own.removesuffix("/fhir").rpartition(":")[2],
    }
    link = template
    for name, value in places.items():
        link = link.replace(name, value)
    fault = plant(guarded, way, link)
    told = center(own, auth=auth)
    with FhirClient(told, QUICK, guarded.clock) as client:
        ending = end_of_walk(client)
    guarded.fhir.faults.clear()
    guarded.tokens.change = lambda answer: answer
    assert fault.fired or not isinstance(auth, SmartAuth)
    assert not [secret for secret in secrets_of(guarded) if secret in ending]
    assert sink.seen == []


def end_of_walk(client: FhirClient) -> str:
    try:
        return f"{len(list(walk(client, QUERY)))} pages"
    except CryocohortError as error:
        return str(error)


def plant(servers: Servers, way: str, link: str) -> Fault:
    """Make a server lead elsewhere; the header is sent as far as a header can hold the text."""
    location = link.encode("latin-1", "ignore").decode("latin-1").translate({10: None, 13: None})
    moved = Answer(307, b"", {"Location": location})
    if way == "token redirect":
        fault = Fault(lambda _: True, lambda _: moved)

        def change(answer: Answer) -> Answer:
            fault.fired += 1
            return moved

        servers.tokens.change = change
        return fault

    def lead_away(bundle: Resource) -> None:
        bundle["link"] = [{"relation": "next", "url": link}]

    if way == "next":
        return servers.fhir.add(
            Fault(lambda seen: "_search" in seen.path, lambda answer: answer.edited(lead_away))
        )
    path = "smart-configuration" if way == "discovery redirect" else "_search"
    return servers.fhir.add(Fault(lambda seen: path in seen.path, lambda _: moved))
