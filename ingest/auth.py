"""Credentials of a center: none, basic, bearer or SMART, bound to the origin they belong to.

A credential is plain data; `OriginAuth` is what a request carries. It refuses to sign a request to any
other origin, so a wrong link in a server's answer cannot carry a secret away.
"""

import base64
from dataclasses import dataclass, field
from typing import Literal, Protocol

import requests
from requests.auth import AuthBase

from ingest.origin import Origin, origin_of
from mappings.errors import ConfigError, ServerError


@dataclass(frozen=True, slots=True)
class NoAuth:
    """The server asks for no credentials."""

    def header(self) -> str | None:
        """No Authorization header."""
        return None


@dataclass(frozen=True, slots=True)
class BasicAuth:
    """A user name and password (RFC 7617); neither is shown by `repr`."""

    username: str = field(repr=False)
    password: str = field(repr=False)

    def header(self) -> str | None:
        """The Authorization header's value."""
        pair = f"{self.username}:{self.password}".encode()
        return "Basic " + base64.b64encode(pair).decode("ascii")


@dataclass(frozen=True, slots=True)
class BearerAuth:
    """A bearer token (RFC 6750); not shown by `repr`."""

    token: str = field(repr=False)

    def header(self) -> str | None:
        """The Authorization header's value."""
        return f"Bearer {self.token}"


Algorithm = Literal["RS384", "ES384"]


@dataclass(frozen=True, slots=True)
class SmartAuth:
    """A client of SMART Backend Services, which signs for its tokens; the key is not shown by `repr`.

    `key` is a private key (PEM) fit for `algorithm`, `key_id` its `kid` in the key set the server knows.
    `token_url` replaces the token endpoint that the server's smart-configuration tells; raises ConfigError
    for one that must not be used.
    https://hl7.org/fhir/smart-app-launch/backend-services.html
    """

    client_id: str
    key: bytes = field(repr=False)
    key_id: str
    algorithm: Algorithm
    scopes: tuple[str, ...]
    token_url: str | None = None

    def __post_init__(self) -> None:
        origin = origin_of(self.token_url) if self.token_url is not None else None
        if self.token_url is not None and (origin is None or not origin.is_confidential):
            raise ConfigError(
                "auth.token_url is not an https address.",
                "write it as https://host/path; plain http is accepted for this machine only.",
            )


Auth = NoAuth | BasicAuth | BearerAuth | SmartAuth


class HeaderSource(Protocol):
    """Whatever tells the Authorization header of the moment; None for a server that asks for none."""

    def header(self) -> str | None:
        """The header's value."""


class OriginAuth(AuthBase):
    """Signs requests to one origin with a credential; a request to any other origin raises ServerError."""

    def __init__(self, source: HeaderSource, origin: Origin) -> None:
        self._source = source
        self._origin = origin

    def __repr__(self) -> str:
        return f"OriginAuth({type(self._source).__name__} for {self._origin})"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the Authorization header to `request`."""
        if origin_of(request.url or "") != self._origin:
            raise ServerError(
                f"A request to another origin than {self._origin} was about to be signed.",
                "check base_url; nothing was sent.",
            )
        header = self._source.header()
        if header is not None:
            request.headers["Authorization"] = header
        return request
