"""Credentials and TLS as configured: what is wrong is told with file, key and next step, and never shown."""

import datetime as dt
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import jwt
import pytest

from ingest.assertion import signed_assertion
from ingest.auth import BearerAuth, SmartAuth
from ingest.center import Center
from ingest.tls import Tls
from mappings.errors import ConfigError
from service.centers import ingest_centers
from service.configuration import load_settings
from service.credentials import credentials
from tests.ingest.smart_servers import pem, private_key, smart
from tests.ingest.tls_servers import Authority

SHIPPED = Path(__file__).parents[2] / "config"
SMART = """
kind = "smart"
client_id = "cryocohort"
key_file = "signing-key.pem"
key_id = "2026-11"
algorithm = "ES384"
scopes = ["system/Patient.rs", "system/Observation.rs"]
"""
BEARER = 'kind = "bearer"\ntoken_file = "token.txt"\n'


@pytest.fixture
def center(tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(SHIPPED, tmp_path / "config"))
    shutil.rmtree(folder / "centers" / "b")
    return folder / "centers" / "a"


def write(center: Path, auth: str, tls: str = "") -> None:
    file = center / "center.toml"
    kept = file.read_text(encoding="utf-8").partition("[auth]")[0]
    file.write_text(f"{kept}[auth]\n{auth}\n[tls]\n{tls}\n", encoding="utf-8")


def secret(path: Path, content: bytes, mode: int = 0o600) -> None:
    path.write_bytes(content)
    path.chmod(mode)


def read(center: Path) -> Center:
    return ingest_centers(load_settings(center.parents[1]))[0]


def refused(center: Path, act: Callable[[Path], object] = read) -> str:
    with pytest.raises(ConfigError) as caught:
        act(center)
    assert str(center / "center.toml") in str(caught.value)
    assert "Next step:" in str(caught.value)
    assert "SECRET" not in str(caught.value)
    return str(caught.value)


def test_a_smart_client_is_read_with_its_key(center: Path) -> None:
    key = pem(private_key("ES384"))
    secret(center / "signing-key.pem", key)
    write(center, SMART + 'token_url = "https://auth.example.org/token?realm=1"')
    assert read(center).auth == SmartAuth(
        client_id="cryocohort",
        key=key,
        key_id="2026-11",
        algorithm="ES384",
        scopes=("system/Patient.rs", "system/Observation.rs"),
        token_url="https://auth.example.org/token?realm=1",
    )


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        (pem(private_key("ES384")), 0o644, ("auth.key_file", "read by others (mode 0644)", "chmod 600")),
        (
            pem(private_key("RS384")),
            0o600,
            ("auth.key_file", "no EC key on the curve P-384", "ES384", "secp384r1", "set auth.algorithm"),
        ),
        (b"SECRET", 0o600, ("auth.key_file", "no private key in PEM", "openssl ecparam")),
        (None, 0, ("auth.key_file", "cannot be read", "0600")),
    ],
)
def test_a_key_that_must_not_or_cannot_sign_is_refused(
    center: Path, content: bytes | None, mode: int, said: tuple[str, ...]
) -> None:
    if content is not None:
        secret(center / "signing-key.pem", content, mode)
    write(center, SMART)
    told = refused(center)
    assert all(part in told for part in (*said, str(center / "signing-key.pem"))), told


@pytest.mark.parametrize(
    ("auth", "said"),
    [
        (SMART.replace("ES384", "HS256"), ("auth.algorithm", "'RS384' or 'ES384'")),
        (
            SMART.replace('["system/Patient.rs", "system/Observation.rs"]', "[]"),
            ("auth.scopes", "at least 1"),
        ),
        (SMART.replace("system/Patient.rs", "system/Patient.rs openid"), ("auth.scopes.0", "pattern")),
        (SMART.replace('key_id = "2026-11"', ""), ("auth.key_id", "missing")),
        (SMART + 'secret = "SECRET"', ("auth.secret", "unknown key", "client_id, key_file, key_id")),
        (SMART + 'token_url = "http://auth.example.org/t"', ("auth.token_url", "https://auth.example.org")),
        (
            SMART + 'token_url = "https://u@auth.example.org/t"',
            ("auth.token_url", "must be the token"),
        ),
        ('kind = "bearer"', ("auth", "one of token_file and token_env")),
        (BEARER + 'token_env = "TOKEN"', ("auth", "one of token_file and token_env")),
        ('kind = "bearer"\ntoken_env = "SECRET.abc.def"', ("auth.token_env", "pattern")),
        ('kind = "bearer"\ntoken = "SECRET"', ("auth.token", "unknown key", "token_env, token_file")),
    ],
)
def test_what_is_wrong_in_auth_is_said_with_its_key(center: Path, auth: str, said: tuple[str, ...]) -> None:
    write(center, auth)
    told = refused(center)
    assert all(part in told for part in said), told


def test_a_bearer_token_comes_from_a_file(center: Path) -> None:
    secret(center / "token.txt", b"abc.def\n")
    write(center, BEARER)
    assert read(center).auth == BearerAuth("abc.def")


def test_a_bearer_token_comes_from_the_environment(center: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(center, 'kind = "bearer"\ntoken_env = "CENTER_TOKEN"')
    monkeypatch.setenv("CENTER_TOKEN", "abc.def")
    assert read(center).auth == BearerAuth("abc.def")


@pytest.mark.parametrize("token", [b"SECRET\r\nX-Header: y", b"Bearer SECRET", "SECRET-ä".encode()])
def test_a_token_that_is_none_is_refused_and_not_shown(center: Path, token: bytes) -> None:
    secret(center / "token.txt", token)
    write(center, BEARER)
    assert "auth.token_file: there is no bearer token" in refused(center)


@pytest.mark.parametrize("environment", [{}, {"CENTER_TOKEN": ""}, {"CENTER_TOKEN": "SECRET SECRET"}])
def test_a_token_missing_from_the_environment_is_told(center: Path, environment: dict[str, str]) -> None:
    write(center, 'kind = "bearer"\ntoken_env = "CENTER_TOKEN"')
    settings = load_settings(center.parents[1]).centers[0]
    told = refused(center, lambda _: credentials(settings, environment))
    assert "auth.token_env: there is no bearer token" in told


@pytest.fixture
def authority(center: Path) -> Authority:
    return Authority(center, "hospital")


def test_authority_and_client_certificate_are_read(center: Path, authority: Authority) -> None:
    issued = authority.issue("cryocohort")
    write(
        center,
        'kind = "none"',
        'ca_file = "hospital.pem"\nclient_cert_file = "cryocohort.pem"\nclient_key_file = "cryocohort.key"',
    )
    assert read(center).tls == Tls(authority.file, issued.cert, issued.key)


def test_without_tls_keys_the_public_authorities_are_trusted(center: Path) -> None:
    assert read(center).tls == Tls()
    assert Tls().verify is True


@pytest.mark.parametrize(
    ("tls", "mode", "said"),
    [
        ('ca_file = "nothing.pem"', 0o600, ("tls.ca_file", "nothing.pem", "cannot be read")),
        ('ca_file = "cryocohort.key"', 0o600, ("tls.ca_file", "no certificate in PEM")),
        ('client_cert_file = "cryocohort.pem"', 0o600, ("tls", "both client_cert_file and client_key_file")),
        (
            'client_cert_file = "cryocohort.pem"\nclient_key_file = "cryocohort.key"',
            0o640,
            ("tls.client_key_file", "read by others", "chmod 600"),
        ),
        (
            'client_cert_file = "other.pem"\nclient_key_file = "cryocohort.key"',
            0o600,
            ("tls.client_cert_file", "other.pem belongs to another key"),
        ),
        ("verify = false", 0o600, ("tls.verify", "unknown key", "ca_file, client_cert_file")),
    ],
)
def test_what_is_wrong_in_tls_is_said_with_its_key(
    center: Path, authority: Authority, tls: str, mode: int, said: tuple[str, ...]
) -> None:
    authority.issue("cryocohort").key.chmod(mode)
    authority.issue("other")
    write(center, 'kind = "none"', tls)
    told = refused(center)
    assert all(part in told for part in said), told


def test_the_how_to_prints_the_key_set_that_verifies_our_assertions(tmp_path: Path) -> None:
    page = (SHIPPED.parent / "docs" / "how-to" / "sign-in.md").read_text(encoding="utf-8")
    start = page.index("python -c")
    command = page[start : page.index("signing-key.pem", start)] + "signing-key.pem"
    auth = smart("ES384", key_id="2026-11")
    secret(tmp_path / "signing-key.pem", auth.key)
    told = subprocess.run(
        ["bash", "-c", command.replace("python", sys.executable, 1)],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    (key,) = json.loads(told.stdout)["keys"]
    assert (key["kid"], key["alg"], key["use"]) == ("2026-11", "ES384", "sig")
    assert "d" not in key  # the private half
    assertion = signed_assertion(auth, "https://auth.example.org/token", dt.datetime.now(dt.UTC))
    jwt.decode(assertion, jwt.PyJWK(key), audience="https://auth.example.org/token")


def test_the_credentials_commented_in_the_shipped_file_are_read_when_uncommented(center: Path) -> None:
    """An operator uncomments the lines of one kind: each must be what the settings know."""
    shown = (SHIPPED / "centers" / "a" / "center.toml").read_text(encoding="utf-8")
    lines = [line.removeprefix("# ") for line in shown.splitlines() if line.startswith("# ")][1:]
    text = "\n".join(lines)
    kinds = [f'kind = "{part}' for part in text.split('kind = "')[1:]]
    assert [kind.split('"')[1] for kind in kinds] == ["basic", "bearer", "smart"]
    secret(center / "password.txt", b"word")
    secret(center / "signing-key.pem", pem(private_key("ES384")))
    secret(center / "token.txt", b"abc")
    for kind in kinds:
        write(center, "\n".join(line for line in kind.splitlines() if not line.startswith("token_env")))
        assert read(center).overlap == dt.timedelta(hours=24)
