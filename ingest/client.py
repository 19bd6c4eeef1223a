"""FhirClient: the only door to a center's server.

Every request is checked against the center's origin before anything is sent, redirects are never
followed, answers are read under caps and believed only when they are complete and strict JSON. What fails
in passing is repeated within the run's account; a server that fails to the last try is not asked again.
The environment is ignored (`trust_env` off): .netrc would add credentials and a proxy variable would
send clinical queries where no configuration says so.

Habits of servers met here: some refuse POST _search, some refuse `Prefer: handling=strict`
(samply/blaze#4051); each is tried once and remembered. Without `Cache-Control: no-cache` HAPI answers
from a cache of the last minute (hapifhir/hapi-fhir#647).
"""

import datetime as dt
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

import requests
from urllib3.exceptions import HTTPError

from ingest.auth import OriginAuth
from ingest.budget import Budget, Lanes, RetryPolicy
from ingest.center import Center
from ingest.decode import JsonObject
from ingest.habits import Habits
from ingest.origin import origin_of
from ingest.outcome import issues_of
from ingest.page import Answer, read_here
from ingest.query import Query
from ingest.reply import Reply, Stream, StreamRequest, http_date, readable, retry_after
from ingest.session import open_session
from ingest.smart import Patience, SmartTokens, header_source
from ingest.stopping import Stopping
from ingest.stream import Caps, EncodingError, OversizeError, decoded
from ingest.streams import Streams
from ingest.tls import Cause, cause_of
from ingest.traffic import Meter
from ingest.transport import BoundedAdapter
from mappings.errors import ForbiddenError, ServerError, SignInError, UnreachableError

PAGE_CAPS = Caps()
CHECK_SIGN_IN = "check [auth] in center.toml and the secret it names, or ask the center what these may read."
MAX_URL_LENGTH = 1900
_CHUNK_BYTES = 64 * 1024
_POST_REFUSED = frozenset({404, 405, 415, 501})
_STRICT_REFUSED = frozenset({400, 422})
_REPEATED = frozenset({429, 500, 502, 503, 504})  # when they last, the server is down
_HEADERS = {
    "Accept": "application/fhir+json",
    "Accept-Encoding": "gzip",
    "Cache-Control": "no-cache",
    "User-Agent": "cryocohort",
}
_JSON_TYPES = frozenset(
    {"application/fhir+json", "application/json", "application/json+fhir", "text/json", ""}
)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What came of one exchange: a reply, or why there was none (`is_cut` when the answer broke off)."""

    reply: Reply | None = None
    cause: Cause | None = None
    is_cut: bool = False


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class FhirClient:
    """Searches one center's server, from several threads at once; close it or use `with`.

    `clock` (aware UTC) tells when tokens expire, `monotonic` (seconds) how long the run has lasted. `read`
    makes an answer of a body and a resource type, or raises ValueError. Once `is_stopping`, nothing is sent
    or waited for: StoppedError is raised.
    """

    def __init__(
        self,
        center: Center,
        policy: RetryPolicy | None = None,
        clock: Callable[[], dt.datetime] = _utc_now,
        monotonic: Callable[[], float] = time.monotonic,
        read: Callable[[bytes, str], Answer] = read_here,
        is_stopping: Callable[[], bool] = bool,
    ) -> None:
        self.center = center
        self._decode = read
        self.habits = Habits()
        self.lanes = Lanes(center.concurrency)
        self.policy = policy or RetryPolicy()
        self.meter = Meter()
        self._budget = Budget(center, self.policy, monotonic)
        self._stopping = Stopping(center.center_id, is_stopping)
        patience = Patience(self.policy.retries + 1, self.policy.backoff, self.policy.max_wait)
        source = header_source(center, clock, patience, self._stopping)
        self._tokens = source if isinstance(source, SmartTokens) else None
        self._auth = OriginAuth(source, center.origin)
        self._session = open_session(
            center.tls, BoundedAdapter(self.policy.exchange_seconds, center.concurrency, is_stopping)
        )
        self._streams = Streams(center, self._auth, self._tokens, self.meter, is_stopping)
        self._down: UnreachableError | None = None
        self._is_down = threading.Event()  # wakes those who wait for another try

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()
        self._streams.close()
        if self._tokens is not None:
            self._tokens.close()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the center's report should say besides failures: scopes asked for and not granted."""
        return self._tokens.remarks if self._tokens is not None else ()

    def require_scope(self, resource_type: str) -> None:
        """Raise ForbiddenError when the scopes granted do not let us find all of a resource type.

        A server may answer such a search with 200 and leave out what the token may not see: nobody would
        notice.
        """
        if self._tokens is not None and not self._tokens.may_search(resource_type):
            raise ForbiddenError(
                self.said(f"granted no scope to search all of {resource_type}."),
                f"have it grant system/{resource_type}.rs, and ask for it in auth.scopes.",
            )

    def is_too_long(self, query: Query) -> bool:
        """Whether the query must be cut before it is asked: by GET its URL would be too long."""
        return self.habits.takes_post is False and len(self._search_url(query)) > MAX_URL_LENGTH

    def search(self, query: Query) -> Reply | None:
        """The answer to the query's first request; None when the server has just refused POST.

        After None the query is to be asked again, cut if it `is_too_long`. Raises ServerError, and
        ForbiddenError when the scopes granted do not cover the resource type.
        """
        self.require_scope(query.resource_type)
        if self.habits.takes_post is False:
            return self._strictly("GET", self._search_url(query), query, None)
        url = self.center.url(f"{query.resource_type}/_search")
        reply = self._strictly("POST", url, query, query.encoded())
        # A server that has taken one POST takes them all: a later 404 is about the type, and no reason to
        # put patient ids into URLs.
        if reply.status in _POST_REFUSED and self.habits.post_refused():
            return None
        if reply.is_success:
            self.habits.post_worked()
        return reply

    def get(self, url: str, resource_type: str) -> Reply:
        """The answer to a link the server gave; raises ServerError, before sending, for another origin."""
        return self._exchange(requests.Request("GET", url, headers=_HEADERS), resource_type)

    def fetch(self, path: str, what: str) -> Reply:
        """The answer to a GET of `path` below the base, whatever its status; `what` names it in errors."""
        return self._exchange(requests.Request("GET", self.center.url(path), headers=_HEADERS), what)

    def read(self, resource_type: str, resource_id: str) -> Reply:
        """The answer to a read by id; `resource_id` has FHIR's form, and is not '.' or '..'."""
        return self.get(self.center.url(f"{resource_type}/{resource_id}"), resource_type)

    def stream(self, request: StreamRequest) -> AbstractContextManager[Stream]:
        """One exchange whose body is read while the block runs; see `Streams.open`."""
        return self._streams.open(request)

    def successful(self, reply: Reply, resource_type: str) -> JsonObject:
        """The resource in a successful reply.

        Raises SignInError for 401, ForbiddenError for 403, UnreachableError when the server failed to the
        last try, ServerError for anything else.
        """
        if reply.is_oversize:
            raise self.failure(
                f"sent a page of {resource_type} that is too large, or inflates too much.",
                "use a smaller page_size.",
            )
        if reply.is_success and reply.resource is not None:
            return reply.resource
        codes = sorted({issue.code for issue in issues_of(reply.resource or {})})
        told = f" (OperationOutcome: {', '.join(codes)})" if codes else ""
        message = self.said(f"answered {reply.status} to a request for {resource_type}{told}.")
        if reply.status == 401:
            raise SignInError(message, CHECK_SIGN_IN)
        if reply.status == 403:
            raise ForbiddenError(message, f"ask the center to let these credentials search {resource_type}.")
        if reply.status in _REPEATED:
            raise self._unreachable(message, "ask the center's server team, naming the time of this message.")
        if 300 <= reply.status < 400:
            raise ServerError(message, "redirects are not followed; set base_url to the final address.")
        raise ServerError(message, "ask the center's server team, naming the time of this message.")

    def failure(self, what: str, next_step: str) -> ServerError:
        """A ServerError about this center's server; `what` completes 'The server of center x'."""
        return ServerError(self.said(what), next_step)

    def said(self, what: str) -> str:
        """The sentence 'The server of center x `what`'."""
        return f"The server of center {self.center.center_id} {what}"

    def _search_url(self, query: Query) -> str:
        return self.center.url(f"{query.resource_type}?{query.encoded()}")

    def _strictly(self, method: str, url: str, query: Query, form: str | None) -> Reply:
        """One search request, asking that unknown parameters be refused; without that if that is refused."""
        # A server that knows no _elements sends whole resources, which shows their ids as well.
        is_strict = self.habits.takes_strict and not query.is_of_ids
        reply = self._exchange(_search_request(method, url, form, is_strict=is_strict), query.resource_type)
        if not is_strict or reply.status not in _STRICT_REFUSED:
            return reply
        lenient = self._exchange(_search_request(method, url, form, is_strict=False), query.resource_type)
        if lenient.is_success:
            self.habits.strict_refused()
        return lenient

    def _exchange(self, request: requests.Request, resource_type: str) -> Reply:
        """Send a request and read its answer; a refused access token is replaced once."""
        if origin_of(request.url) != self.center.origin:
            raise self.failure(
                f"gave a link away from its own origin for {resource_type}; nothing was sent there.",
                "correct the server's public base URL, or base_url or rewrite_links in center.toml.",
            )
        # The jar itself, not the copy that Session.prepare_request makes: the jar is locked, copying is not.
        request.cookies = self._session.cookies
        prepared = request.prepare()
        reply = self._answer(prepared, resource_type)
        if reply.status != 401 or self._tokens is None:
            return reply
        self._tokens.refuse(prepared.headers.get("Authorization"))
        return self._answer(prepared, resource_type)

    def _answer(self, prepared: requests.PreparedRequest, resource_type: str) -> Reply:
        """The answer to a request, which is sent again when it failed in passing and that is allowed."""
        tries = 0
        while True:
            attempt = self._attempt(prepared, resource_type)
            tries += 1
            if attempt.reply is not None and attempt.reply.status not in _REPEATED:
                self._budget.answered()
                return attempt.reply
            if not self._may_try_again(attempt, tries):
                return self._given_up(attempt, tries, resource_type)

    def _attempt(self, prepared: requests.PreparedRequest, resource_type: str) -> _Attempt:
        """One exchange within the center's lanes and the run's budget."""
        with self.lanes.lane():
            self._stopping.require_going_on()
            if self._down is not None:
                raise UnreachableError(self._down.message, self._down.next_step)
            self._budget.spend()
            self._auth(prepared)
            attempt = self._send(prepared, resource_type)
        if attempt.reply is not None and attempt.reply.status == 429:
            self.lanes.narrow()
        return attempt

    def _may_try_again(self, attempt: _Attempt, tries: int) -> bool:
        """Wait for the next try; False when there is none. Raises IncompleteError for too long a wait."""
        self._stopping.require_going_on()  # an answer that was not waited for is no failure of the server
        limit = self.policy.body_tries if attempt.is_cut else self.policy.retries + 1
        if tries >= limit or not self._budget.may_retry():
            return False
        if attempt.reply is None:
            # Where one connection broke, the idle ones are likely dead too: they would cost the next tries.
            self._session.close()
        wait = self.policy.wait(tries, attempt.reply.retry_after if attempt.reply is not None else None)
        self._budget.reserve(wait)
        self._stopping.wait(wait, self._is_down.wait)
        return True

    def _given_up(self, attempt: _Attempt, tries: int, resource_type: str) -> Reply:
        """The last reply, if there is one; raises UnreachableError for a failed exchange."""
        if attempt.reply is not None:
            return attempt.reply
        if attempt.cause is not None:
            raise self._unreachable(
                self.said(f"could not be reached for a request for {resource_type} ({attempt.cause.text})."),
                attempt.cause.next_step,
            )
        raise self._unreachable(
            self.said(f"cut its answer to a request for {resource_type} short {tries} times."),
            "a proxy in between may limit size or time; try a smaller page_size.",
        )

    def _unreachable(self, message: str, next_step: str) -> UnreachableError:
        """The error after which nothing is sent to this server any more: it is down for this run."""
        error = UnreachableError(message, next_step)
        self._down = self._down or error
        self._is_down.set()
        return error

    def _send(self, prepared: requests.PreparedRequest, resource_type: str) -> _Attempt:
        timeout = (self.center.connect_timeout, self.center.read_timeout)
        self.meter.sent(resource_type)
        try:
            response = self._session.send(prepared, timeout=timeout, allow_redirects=False, stream=True)
        except requests.RequestException as error:
            return _Attempt(cause=cause_of(error))
        with response:
            try:
                return self._read(response, resource_type)
            finally:
                self.meter.received(resource_type, response.raw.tell())

    def _read(self, response: requests.Response, resource_type: str) -> _Attempt:
        try:
            body = _body(response)
        except (HTTPError, ValueError) as error:
            if _is_success(response):
                return self._unread(response, error, resource_type)
            body = b""  # of a failure the status tells enough
        if not _is_success(response):
            return _Attempt(_reply(response, readable(body)))
        return self._decoded(response, body, resource_type)

    def _unread(self, response: requests.Response, error: Exception, resource_type: str) -> _Attempt:
        """What a success is whose body could not be read."""
        if isinstance(error, OversizeError):
            return _Attempt(_reply(response, None, is_oversize=True))
        if isinstance(error, EncodingError):
            raise self.failure(
                f"answered a request for {resource_type} in a content encoding that was not asked for.",
                "ask the center's server team, or that of the proxy before it.",
            )
        # Fewer bytes than announced, a missing last chunk, a gzip stream without its end, a slow drip.
        return _Attempt(is_cut=True)

    def _decoded(self, response: requests.Response, body: bytes, resource_type: str) -> _Attempt:
        media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if media_type not in _JSON_TYPES:
            raise self.failure(
                f"answered a request for {resource_type} with {len(body)} bytes that are not JSON.",
                "a sign-in page or a proxy may stand in front of the server; check base_url and credentials.",
            )
        try:
            answer = self._decode(body, resource_type)
        except ValueError as error:
            if not _is_framed(response.headers):
                return _Attempt(
                    is_cut=True
                )  # without a told length, a broken-off body looks like a whole one
            raise self.failure(
                f"answered a request for {resource_type} with invalid JSON: {error}.",
                "ask the center's server team; nothing of this page was used.",
            ) from None
        return _Attempt(replace(_reply(response, answer.resource), page=answer.page))


def _body(response: requests.Response) -> bytes:
    chunks = response.raw.stream(_CHUNK_BYTES, decode_content=False)
    return b"".join(decoded(chunks, response.headers.get("Content-Encoding", ""), PAGE_CAPS))


def _reply(response: requests.Response, resource: JsonObject | None, *, is_oversize: bool = False) -> Reply:
    headers = response.headers
    return Reply(
        status=response.status_code,
        url=response.url.removesuffix("/_search") if response.request.method == "POST" else response.url,
        resource=resource,
        server_time=http_date(headers.get("Date")),
        retry_after=retry_after(headers.get("Retry-After"), headers.get("Date")),
        is_oversize=is_oversize,
    )


def _search_request(method: str, url: str, form: str | None, *, is_strict: bool) -> requests.Request:
    headers = dict(_HEADERS)
    if is_strict:
        headers["Prefer"] = "handling=strict"
    if form is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    return requests.Request(method, url, headers=headers, data=form)


def _is_success(response: requests.Response) -> bool:
    return 200 <= response.status_code < 300


def _is_framed(headers: Mapping[str, str]) -> bool:
    return "Content-Length" in headers or "chunked" in headers.get("Transfer-Encoding", "").lower()
