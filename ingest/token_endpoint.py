"""Talking to the server that issues a center's tokens: its smart-configuration and its token endpoint.

Nothing here carries a token of ours. Redirects are not followed, the environment is ignored, an answer is
small and arrives within a bounded time. Nothing is repeated here: an assertion is good for one request.
"""

import datetime as dt
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import requests
from urllib3.exceptions import HTTPError

from ingest.center import Center
from ingest.decode import JsonObject
from ingest.reply import http_date, readable
from ingest.session import open_session
from ingest.tls import cause_of
from ingest.transport import BoundedAdapter

MAX_ANSWER_BYTES = 64 * 1024
_CHUNK_BYTES = 8 * 1024
_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Cache-Control": "no-cache",
    "User-Agent": "cryocohort",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered; `content` is None unless it is a JSON object, and never shown: it may hold a token.

    `server_time` is the Date header (UTC), `retry_after` how long to wait (seconds).
    """

    status: int
    content: JsonObject | None = field(repr=False)
    server_time: dt.datetime | None
    retry_after: float | None

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Why there was no answer, fit to show, and what to do about it."""

    reason: str
    next_step: str


class TokenServer:
    """The connections that a center's tokens are asked for by; trusts and shows what the center's do."""

    def __init__(self, center: Center, is_stopping: Callable[[], bool] = bool) -> None:
        self._timeout = (center.connect_timeout, center.read_timeout)
        longest = 2 * center.read_timeout  # to the head of an answer, and as long again to its end
        self._session = open_session(center.tls, BoundedAdapter(longest, 1, is_stopping))

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def get(self, url: str) -> Answer | NoAnswer:
        """The answer to a GET without credentials."""
        return self._exchange(requests.Request("GET", url, headers=_HEADERS))

    def post(self, url: str, form: dict[str, str]) -> Answer | NoAnswer:
        """The answer to a form."""
        return self._exchange(requests.Request("POST", url, headers=_HEADERS, data=form))

    def _exchange(self, request: requests.Request) -> Answer | NoAnswer:
        try:
            response = self._session.send(
                self._session.prepare_request(request),
                timeout=self._timeout,
                allow_redirects=False,
                stream=True,
            )
            with response:
                body = self._body(response)
        except (requests.RequestException, HTTPError) as error:
            cause = cause_of(error)
            return NoAnswer(cause.text, cause.next_step)
        server_time = http_date(response.headers.get("Date"))
        return Answer(
            status=response.status_code,
            content=readable(body),
            server_time=server_time,
            retry_after=_seconds(response.headers.get("Retry-After"), server_time),
        )

    def _body(self, response: requests.Response) -> bytes:
        """The body, cut where it is too large or too late: what is cut is no JSON object."""
        body, deadline = bytearray(), time.monotonic() + self._timeout[1]
        while len(body) <= MAX_ANSWER_BYTES and time.monotonic() < deadline:
            chunk = response.raw.read1(_CHUNK_BYTES)
            if not chunk:
                break
            body += chunk
        return bytes(body[:MAX_ANSWER_BYTES])


def _seconds(retry_after: str | None, server_time: dt.datetime | None) -> float | None:
    """Retry-After as seconds, from seconds or from an HTTP date by the server's own clock."""
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    until = http_date(retry_after)
    if until is None or server_time is None:
        return None
    return max(0.0, (until - server_time).total_seconds())
