"""The small exchanges of the Bulk Data protocol: whole answers, waits that can be ended, errors by cause."""

import datetime as dt
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from ingest.client import CHECK_SIGN_IN, FhirClient
from ingest.decode import JsonObject
from ingest.outcome import issues_of
from ingest.reply import Stream, StreamRequest, readable, retry_after
from ingest.stream import BrokenStreamError, Caps, EncodingError, OversizeError, decoded
from mappings.errors import (
    ExpiredExportError,
    ForbiddenError,
    ServerError,
    SignInError,
    StoppedError,
    UnreachableError,
)

BUSY = frozenset({429, 500, 502, 503, 504})
HEADERS = {"Accept-Encoding": "gzip", "Cache-Control": "no-cache", "User-Agent": "cryocohort"}
_GONE = frozenset({404, 410})
_CAPS = Caps()


@dataclass(frozen=True, slots=True)
class Answer:
    """A small answer; `headers` by lower-case name, `resource` None where there is no readable JSON."""

    status: int
    url: str
    headers: Mapping[str, str]
    resource: JsonObject | None
    server_time: dt.datetime | None

    @property
    def codes(self) -> list[str]:
        """The issue codes of an OperationOutcome, sorted."""
        return sorted({issue.code for issue in issues_of(self.resource or {})})


class BulkHttp:
    """Small exchanges with one center's server; `pause` waits a number of seconds."""

    def __init__(
        self,
        client: FhirClient,
        now: Callable[[], dt.datetime],
        is_stopping: Callable[[], bool],
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.client = client
        self.now = now
        self._is_stopping = is_stopping
        self._pause = pause

    def answer(self, request: StreamRequest) -> Answer:
        """One exchange, tried once; raises UnreachableError also when the answer breaks off."""
        with self.client.stream(request) as stream:
            # What a server says beside 202 is for people; its status URL must not be lost over it.
            body = b"" if stream.status == HTTPStatus.ACCEPTED else self._body(stream)
            return Answer(stream.status, stream.url, stream.headers, readable(body), stream.server_time)

    def wait(self, seconds: float) -> None:
        """Wait, in steps short enough to notice that the sync is to stop: then raises StoppedError."""
        self.go_on()
        left = seconds
        while left > 0:
            self._pause(min(left, 1.0))
            left -= 1.0
            self.go_on()

    def go_on(self) -> None:
        """Raise StoppedError when the run is to stop."""
        if self._is_stopping():
            raise StoppedError(
                f"The run at center {self.client.center.center_id} was asked to stop during an export.",
                "run it again: it takes up the same export.",
            )

    def seconds(self, answer: Answer | None, number: int) -> float:
        """How long to wait after the `number`-th try: what the server asks, at least our backoff."""
        own = self.client.policy.backoff * 2.0 ** min(number - 1, 6)
        if answer is None:
            return own
        told = retry_after(answer.headers.get("retry-after"), answer.headers.get("date"))
        return own if told is None else max(told, self.client.policy.backoff)

    def refused(self, answer: Answer, what: str) -> ServerError | SignInError:
        """The error of a status that is not what was hoped for."""
        told = f" (OperationOutcome: {', '.join(answer.codes)})" if answer.codes else ""
        message = self.client.said(f"answered {answer.status} to {what}{told}.")
        if answer.status in _GONE:
            return ExpiredExportError(message, "run again: a new export is asked for.")
        if answer.status == HTTPStatus.UNAUTHORIZED:
            return SignInError(message, CHECK_SIGN_IN)
        if answer.status == HTTPStatus.FORBIDDEN:
            return ForbiddenError(message, "ask the center to let these credentials export.")
        if answer.status in BUSY:
            return UnreachableError(message, "ask the center's server team, naming the time of this message.")
        return ServerError(message, "ask the center's server team, naming the time of this message.")

    def _body(self, stream: Stream) -> bytes:
        try:
            return b"".join(decoded(stream.chunks, stream.encoding, _CAPS))
        except (BrokenStreamError, OversizeError, EncodingError) as error:
            raise UnreachableError(
                self.client.said(f"answered about its export with a body that cannot be read: {error}."),
                "run again: the same export is taken up while the server holds it.",
            ) from None


def accepting(media_type: str) -> dict[str, str]:
    """The headers of a request that wants this media type."""
    return {**HEADERS, "Accept": media_type}
