"""Where a center may be, and that its credentials belong to its origin."""

import pytest
import requests

from ingest.auth import BasicAuth, BearerAuth, NoAuth, OriginAuth
from ingest.origin import Origin, origin_of
from mappings.errors import ConfigError, ServerError
from tests.ingest.examples import center

BASE = "https://fhir.example.org/r4"


@pytest.mark.parametrize(
    "base_url",
    [
        "http://fhir.example.org/r4",
        "ftp://fhir.example.org/r4",
        "fhir.example.org",
        "https://user:secret@fhir.example.org/r4",
        "https://fhir.example.org/r4?x=1",
        "https://fhir.example.org/r4#x",
        "https://fhir.example.org:99999/r4",
        "",
    ],
)
def test_an_address_that_must_not_be_used_is_refused(base_url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        center(base_url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "base_url", ["http://127.0.0.1:8080/fhir", "http://localhost/r4", "http://[::1]:80/", BASE]
)
def test_https_anywhere_and_http_on_this_machine_are_accepted(base_url: str) -> None:
    assert center(base_url).origin == origin_of(base_url)


@pytest.mark.parametrize("center_id", ["", "A", "../x", "a b", "a" * 33])
def test_a_center_id_that_is_not_a_plain_name_is_refused(center_id: str) -> None:
    with pytest.raises(ConfigError):
        center(BASE, center_id=center_id)


def test_default_ports_and_letter_case_do_not_make_another_origin() -> None:
    assert origin_of("HTTPS://FHIR.example.org:443/x?y=z|1") == Origin("https", "fhir.example.org", 443)


@pytest.mark.parametrize(
    "url",
    [
        "https://fhir.example.org@evil.example/r4",
        "https://fhir.example.org\\@evil.example/r4",
        "https://fhir.example.org\\evil",
        "https://fhir.example.org /r4",
        "https://fhir.example.org\t/r4",
        "https://fhir.example.org:/r4",
        "//fhir.example.org/r4",
        "https:fhir.example.org",
        "https://fhir.exämple.org/r4",
        "javascript:alert(1)",
    ],
)
def test_a_url_that_parsers_could_read_differently_has_no_origin(url: str) -> None:
    assert origin_of(url) is None


@pytest.mark.parametrize("auth", [BasicAuth("SECRET-user", "SECRET-word"), BearerAuth("SECRET-token")])
def test_secrets_are_not_shown(auth: BasicAuth | BearerAuth) -> None:
    shown = f"{auth!r} {center(BASE, auth=auth)!r} {OriginAuth(auth, center(BASE).origin)!r}"
    assert "SECRET" not in shown


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        (NoAuth(), None),
        (BasicAuth("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        (BearerAuth("abc"), "Bearer abc"),
    ],
)
def test_a_request_to_the_own_origin_is_signed(
    auth: NoAuth | BasicAuth | BearerAuth, header: str | None
) -> None:
    request = requests.Request("GET", f"{BASE}/Patient").prepare()
    OriginAuth(auth, center(BASE).origin)(request)
    assert request.headers.get("Authorization") == header


@pytest.mark.parametrize(
    "url", ["https://evil.example/r4", "http://fhir.example.org/r4", "https://fhir.example.org:444/r4"]
)
def test_a_request_to_another_origin_is_not_signed(url: str) -> None:
    request = requests.Request("GET", url).prepare()
    with pytest.raises(ServerError):
        OriginAuth(BearerAuth("abc"), center(BASE).origin)(request)
    assert "Authorization" not in request.headers
