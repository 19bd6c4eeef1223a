"""Connections to a center's servers: its TLS, nothing of the environment, and no redirects."""

import requests
from requests.adapters import HTTPAdapter

from ingest.tls import Tls


class PlainSession(requests.Session):
    """A session to which a redirect is an answer like any other.

    Told not to follow redirects, requests still reads the whole body of one, without a cap, and parses its
    Location, which raises ValueError for some.
    """

    def get_redirect_target(self, _resp: requests.Response) -> None:
        """None: there is nowhere to go on to."""


def open_session(tls: Tls, adapter: HTTPAdapter) -> requests.Session:
    """A session that trusts and shows what `tls` says, whatever the environment says of proxies and netrc."""
    session = PlainSession()
    session.trust_env = False
    session.verify = tls.verify
    session.cert = tls.cert
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session
