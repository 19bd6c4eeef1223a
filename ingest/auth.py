"""Credentials of a center: none, basic or bearer, bound to the origin they belong to.

A credential is plain data; `OriginAuth` is what a request carries. It refuses to sign a request to any
other origin, so a wrong link in a server's answer cannot carry a secret away.
"""

import base64
from dataclasses import dataclass, field

import requests
from requests.auth import AuthBase

from ingest.origin import Origin, origin_of
from mappings.errors import ServerError


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


Auth = NoAuth | BasicAuth | BearerAuth


class OriginAuth(AuthBase):
    """Signs requests to one origin with a credential; a request to any other origin raises ServerError."""

    def __init__(self, auth: Auth, origin: Origin) -> None:
        self._auth = auth
        self._origin = origin

    def __repr__(self) -> str:
        return f"OriginAuth({type(self._auth).__name__} for {self._origin})"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the Authorization header to `request`."""
        if origin_of(request.url or "") != self._origin:
            raise ServerError(
                f"A request to another origin than {self._origin} was about to be signed.",
                "check base_url; nothing was sent.",
            )
        header = self._auth.header()
        if header is not None:
            request.headers["Authorization"] = header
        return request
