"""Exchanges of the Bulk Data protocol with a center: bodies of any length, read as they come.

Nothing is tried twice here but a request whose access token was refused: whoever asks knows what may be
repeated, and a kick-off, say, may not. Files may lie on other origins when the center's configuration names
them; these see neither credential nor client certificate.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus

import requests
from urllib3.exceptions import HTTPError

from ingest.auth import OriginAuth
from ingest.center import Center
from ingest.origin import origin_of
from ingest.reply import Stream, StreamRequest
from ingest.session import open_session
from ingest.smart import SmartTokens
from ingest.source import ByExport
from ingest.stream import BrokenStreamError
from ingest.tls import Tls, cause_of
from ingest.traffic import Meter
from ingest.transport import BoundedAdapter
from mappings.errors import ServerError, UnreachableError
from warehouse.type_sync import EXPORT

_CHUNK_BYTES = 64 * 1024


class Streams:
    """Opens exchanges with one center's origins; for several threads.

    When `is_stopping`, an answer that has not come counts as broken off, but for one that is heard out.
    """

    def __init__(
        self,
        center: Center,
        auth: OriginAuth,
        tokens: SmartTokens | None,
        meter: Meter,
        is_stopping: Callable[[], bool] = bool,
    ) -> None:
        self._center = center
        self._meter = meter
        self._auth = auth
        self._tokens = tokens
        bounds = center.max_duration.total_seconds(), center.concurrency
        self._own = open_session(center.tls, BoundedAdapter(*bounds, is_stopping))
        self._heard_out = open_session(center.tls, BoundedAdapter(*bounds))
        others = Tls(ca_file=center.tls.ca_file)
        self._others = open_session(others, BoundedAdapter(*bounds, is_stopping))

    def close(self) -> None:
        """Close the connections."""
        self._own.close()
        self._heard_out.close()
        self._others.close()

    @contextmanager
    def open(self, request: StreamRequest) -> Iterator[Stream]:
        """One exchange whose body is read while the block runs.

        Raises ServerError, before sending, for an origin that is neither the center's nor a file origin of
        its export, and UnreachableError. The credential goes to the center's origin only.
        """
        is_own = self._require_known(request.url)
        with self._response(request, is_own=is_own) as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            try:
                yield Stream(response.status_code, request.url, headers, _chunks(response))
            finally:
                self._meter.received(EXPORT, response.raw.tell())

    def _response(self, request: StreamRequest, *, is_own: bool) -> requests.Response:
        own = self._heard_out if request.is_heard_out else self._own
        session = own if is_own else self._others
        prepared = session.prepare_request(
            requests.Request(request.method, request.url, headers=dict(request.headers), data=request.body)
        )
        if not (is_own and request.is_signed):
            return self._sent(session, prepared)
        response = self._sent(session, self._auth(prepared))
        if response.status_code != HTTPStatus.UNAUTHORIZED or self._tokens is None:
            return response
        response.close()
        self._tokens.refuse(prepared.headers.get("Authorization"))
        return self._sent(session, self._auth(prepared))

    def _sent(self, session: requests.Session, prepared: requests.PreparedRequest) -> requests.Response:
        timeout = (self._center.connect_timeout, self._center.read_timeout)
        self._meter.sent(EXPORT)
        try:
            return session.send(prepared, timeout=timeout, allow_redirects=False, stream=True)
        except requests.RequestException as error:
            cause = cause_of(error)
            raise UnreachableError(
                f"The server of center {self._center.center_id} could not be reached for its export "
                f"({cause.text}).",
                cause.next_step,
            ) from None

    def _require_known(self, url: str) -> bool:
        """Whether `url` is the center's own; raises ServerError when it is not even a file origin."""
        origin, source = origin_of(url), self._center.source
        others = source.file_origins if isinstance(source, ByExport) else frozenset()
        if origin is None or (origin != self._center.origin and origin not in others):
            raise ServerError(
                f"The server of center {self._center.center_id} gave a link away from its own origin for its "
                "export; nothing was sent there.",
                "if the files lie there on purpose, add that origin to bulk.file_origins in center.toml.",
            )
        return origin == self._center.origin


def _chunks(response: requests.Response) -> Iterator[bytes]:
    try:
        yield from response.raw.stream(_CHUNK_BYTES, decode_content=False)
    except HTTPError:
        raise BrokenStreamError("the body broke off") from None
