"""TLS with real handshakes: a center's own authority, wrong and expired certificates, mutual TLS."""

import datetime as dt
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from ingest.client import FhirClient, RetryPolicy
from ingest.query import Query
from ingest.tls import Tls, authority_problem, cause_of, certificate_problem
from mappings.errors import ServerError
from tests.ingest.examples import center, patient
from tests.ingest.loopback import FhirServer
from tests.ingest.smart_servers import AuthorizationServer, Clock, GuardedServer, smart
from tests.ingest.tls_servers import DAY, Authority, Handshakes, Issued, serving_tls

ONCE = RetryPolicy(retries=0, backoff=0.0, max_wait=0.0, body_tries=1)
PATIENTS = Query("Patient", None, None, ())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder, "hospital")


@pytest.fixture(scope="module")
def stranger(folder: Path) -> Authority:
    return Authority(folder, "stranger")


@pytest.fixture(scope="module")
def server_cert(authority: Authority) -> Issued:
    return authority.issue("server", ip="127.0.0.1")


@pytest.fixture(scope="module")
def client_cert(authority: Authority) -> Issued:
    return authority.issue("cryocohort")


def fhir() -> FhirServer:
    return FhirServer([patient("p1")])


def read(server: FhirServer, tls: Tls) -> int:
    with FhirClient(center(server.base_url, tls=tls), ONCE) as client:
        reply = client.search(PATIENTS)
        assert reply is not None
        return len(client.successful(reply, "Patient")["entry"])


def refused(server: FhirServer, tls: Tls) -> str:
    with pytest.raises(ServerError) as caught:
        read(server, tls)
    assert server.seen == []
    assert caught.value.__context__ is None
    return str(caught.value)


def with_client(authority: Authority, issued: Issued) -> Tls:
    return Tls(authority.file, issued.cert, issued.key)


def test_a_server_of_the_centers_own_authority_is_read(authority: Authority, server_cert: Issued) -> None:
    server = fhir()
    with serving_tls(server, server_cert):
        assert read(server, Tls(authority.file)) == 1


def test_an_authority_that_is_not_trusted_is_named_as_the_cause(
    stranger: Authority, server_cert: Issued
) -> None:
    for tls in (Tls(), Tls(stranger.file)):
        server = fhir()
        with serving_tls(server, server_cert):
            said = refused(server, tls)
        assert "SSLError: its certificate is of an authority that is not trusted" in said
        assert "name the center's authority in tls.ca_file" in said


def test_an_authority_in_the_environment_is_not_trusted(
    authority: Authority, server_cert: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(authority.file))
    server = fhir()
    with serving_tls(server, server_cert):
        assert "not trusted" in refused(server, Tls())


@pytest.mark.parametrize(
    ("ip", "since", "until", "said"),
    [
        ("127.0.0.2", -DAY, DAY, "its certificate is for another name"),
        ("127.0.0.1", -2 * DAY, -DAY, "its certificate has expired"),
        ("127.0.0.1", DAY, 2 * DAY, "its certificate is not valid yet"),
    ],
)
def test_a_certificate_that_does_not_hold_is_refused_with_its_fault(
    authority: Authority, ip: str, since: dt.timedelta, until: dt.timedelta, said: str
) -> None:
    server = fhir()
    with serving_tls(server, authority.issue("wrong", ip=ip, since=since, until=until)):
        assert said in refused(server, Tls(authority.file))


def test_a_client_certificate_is_shown_where_it_is_wanted(
    authority: Authority, server_cert: Issued, client_cert: Issued
) -> None:
    server = fhir()
    with serving_tls(server, server_cert, clients_of=authority) as handshakes:
        assert read(server, with_client(authority, client_cert)) == 1
    assert handshakes.clients == ["cryocohort"]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_missing_or_strange_client_certificate_is_refused(
    authority: Authority, stranger: Authority, server_cert: Issued, version: ssl.TLSVersion
) -> None:
    of_strangers = with_client(authority, stranger.issue("somebody"))
    for tls in (Tls(authority.file), of_strangers):
        server = fhir()
        with serving_tls(
            server, server_cert, clients_of=authority, versions=(version, version)
        ) as handshakes:
            said = refused(server, tls)
        assert "it wants a client certificate, or another one" in said
        assert "check tls.client_cert_file and tls.client_key_file" in said
        assert handshakes.first_failure()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_a_server_of_an_old_tls_is_refused(authority: Authority, server_cert: Issued) -> None:
    server, old = fhir(), ssl.TLSVersion.TLSv1_1
    with serving_tls(server, server_cert, versions=(old, old)) as handshakes:
        assert "could not be reached" in refused(server, Tls(authority.file))
        assert handshakes.first_failure() == "UNSUPPORTED_PROTOCOL"
        assert version_spoken(server, authority, old) == "TLSv1.1"  # the server does speak


def version_spoken(server: FhirServer, authority: Authority, oldest: ssl.TLSVersion) -> str | None:
    context = ssl.create_default_context(cafile=authority.file)
    context.minimum_version = oldest
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    port = int(server.base_url.rsplit(":", 1)[1].partition("/")[0])
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secured,
    ):
        return secured.version()


@pytest.fixture
def smart_by_tls(
    authority: Authority, server_cert: Issued
) -> Iterator[tuple[AuthorizationServer, GuardedServer, Handshakes]]:
    tokens = AuthorizationServer(Clock())
    server = GuardedServer(tokens)
    server.put(patient("p1"))
    with (
        serving_tls(tokens, server_cert, clients_of=authority) as handshakes,
        serving_tls(server, server_cert, clients_of=authority),
    ):
        yield tokens, server, handshakes


def test_the_token_endpoint_is_asked_with_the_same_trust_and_certificate(
    smart_by_tls: tuple[AuthorizationServer, GuardedServer, Handshakes],
    authority: Authority,
    client_cert: Issued,
) -> None:
    tokens, server, handshakes = smart_by_tls
    told = center(server.base_url, auth=smart(), tls=with_client(authority, client_cert))
    with FhirClient(told, ONCE, tokens.time) as client:
        reply = client.search(PATIENTS)
        assert reply is not None
        assert reply.is_success
    assert handshakes.clients == ["cryocohort"]


def test_a_token_endpoint_of_an_unknown_authority_gets_no_assertion(
    smart_by_tls: tuple[AuthorizationServer, GuardedServer, Handshakes], stranger: Authority
) -> None:
    tokens, server, _ = smart_by_tls
    told = center(server.base_url, auth=smart(token_url=tokens.token_url), tls=Tls(stranger.file))
    with FhirClient(told, ONCE, tokens.time) as client, pytest.raises(ServerError) as caught:
        client.search(PATIENTS)
    assert "token endpoint of center a could not be reached" in str(caught.value)
    assert "not trusted" in str(caught.value)
    assert tokens.seen == []


def test_files_that_cannot_be_used_are_told_before_any_connection(
    folder: Path, authority: Authority, client_cert: Issued
) -> None:
    empty, missing = folder / "empty.pem", folder / "missing.pem"
    empty.write_text("nothing", encoding="utf-8")
    other = authority.issue("other")
    assert authority_problem(authority.file) is None
    assert authority_problem(empty) == "holds no certificate in PEM"
    assert authority_problem(missing) == "cannot be read (No such file or directory)"
    assert certificate_problem(client_cert.cert, client_cert.key) is None
    assert certificate_problem(client_cert.cert, other.key) == "belongs to another key"
    assert "must be PEM" in str(certificate_problem(empty, client_cert.key))
    assert "cannot be read" in str(certificate_problem(missing, client_cert.key))


def test_a_failure_without_tls_is_told_by_its_kind() -> None:
    assert cause_of(requests.ConnectionError("https://fhir.example.org/SECRET")).text == "ConnectionError"


def test_errors_that_lead_to_each_other_in_a_circle_end() -> None:
    first, second = requests.ConnectionError("a"), ValueError("b")
    first.__context__, second.__context__ = second, first
    assert cause_of(first).text == "ConnectionError"
