"""Credentials and TLS of a center as configured: secrets are read, from files or the environment."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from ingest.assertion import key_problem
from ingest.auth import Auth, BasicAuth, BearerAuth, NoAuth, SmartAuth
from ingest.tls import Tls, authority_problem, certificate_problem
from mappings.errors import ConfigError
from service import settings as configured
from service.secret_file import read_secret

_TOKEN = re.compile(r"[!-~]+")
_MAKE_KEY = {
    "RS384": "make one with `openssl genrsa -out FILE 3072; chmod 600 FILE`",
    "ES384": "make one with `openssl ecparam -genkey -name secp384r1 -noout -out FILE; chmod 600 FILE`",
}


def credentials(center: configured.CenterSettings, environment: Mapping[str, str] = os.environ) -> Auth:
    """The credentials a center is asked with; ConfigError for a secret that is missing or unfit."""
    auth = center.file.auth
    match auth:
        case configured.NoAuth():
            return NoAuth()
        case configured.BasicAuth():
            return BasicAuth(auth.username, center.secret("auth.password_file", auth.password_file))
        case configured.BearerAuth():
            return BearerAuth(_token(center, auth, environment))
        case configured.SmartAuth():
            return SmartAuth(
                client_id=auth.client_id,
                key=_signing_key(center, auth),
                key_id=auth.key_id,
                algorithm=auth.algorithm,
                scopes=tuple(auth.scopes),
                token_url=auth.token_url,
            )


def tls(center: configured.CenterSettings) -> Tls:
    """Whom a center's connections trust and what they show; ConfigError for files that cannot be used."""
    told = center.file.tls
    ca_file = center.folder / told.ca_file if told.ca_file else None
    if ca_file is not None:
        _require(authority_problem(ca_file), center, "tls.ca_file", ca_file, "put the authority's PEM there.")
    if not told.client_cert_file:
        return Tls(ca_file)
    cert_file, key_file = center.folder / told.client_cert_file, center.folder / told.client_key_file
    read_secret(key_file, center.key_name("tls.client_key_file"))
    _require(
        certificate_problem(cert_file, key_file),
        center,
        "tls.client_cert_file",
        cert_file,
        "put the PEM certificate there that was issued for the key in tls.client_key_file.",
    )
    return Tls(ca_file, cert_file, key_file)


def _token(
    center: configured.CenterSettings, auth: configured.BearerAuth, environment: Mapping[str, str]
) -> str:
    if auth.token_file is not None:
        key, token = "auth.token_file", center.secret("auth.token_file", auth.token_file)
    else:
        key, token = "auth.token_env", environment.get(auth.token_env or "", "").strip()
    if _TOKEN.fullmatch(token) is None:
        raise ConfigError(
            f"{center.key_name(key)}: there is no bearer token there: it is one line of visible ASCII"
            " characters, without blanks.",
            "put the token there, without quotes and without the word Bearer.",
        )
    return token


def _signing_key(center: configured.CenterSettings, auth: configured.SmartAuth) -> bytes:
    path = center.folder / auth.key_file
    pem = read_secret(path, center.key_name("auth.key_file"))
    step = f"{_MAKE_KEY[auth.algorithm]}, and register its public half, or set auth.algorithm."
    _require(key_problem(pem, auth.algorithm), center, "auth.key_file", path, step)
    return pem


def _require(
    problem: str | None, center: configured.CenterSettings, key: str, path: Path, next_step: str
) -> None:
    if problem is not None:
        raise ConfigError(f"{center.key_name(key)}: {path} {problem}.", next_step)
