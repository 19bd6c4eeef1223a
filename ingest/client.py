"""FhirClient: the only door to a center's server.

Every request is checked against the center's origin before anything is sent, redirects are never
followed, answers are read under a size cap and believed only when they are complete and strict JSON.
The environment is ignored (`trust_env` off): .netrc would add credentials and a proxy variable would
send clinical queries where no configuration says so.

Habits of servers met here: some refuse POST _search, some refuse `Prefer: handling=strict`
(samply/blaze#4051); each is tried once and remembered. Without `Cache-Control: no-cache` HAPI answers
from a cache of the last minute (hapifhir/hapi-fhir#647).
"""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import InvalidHeader
from urllib3.util.retry import Retry

from ingest.auth import HeaderSource, OriginAuth, SmartAuth
from ingest.center import Center
from ingest.decode import JsonObject, decode_object
from ingest.origin import origin_of
from ingest.outcome import issues_of
from ingest.query import Query
from ingest.reply import Reply, http_date, readable
from ingest.session import open_session
from ingest.smart import Patience, SmartTokens
from ingest.tls import Tls, cause_of
from mappings.errors import ForbiddenError, ServerError, SignInError, UnreachableError

MAX_BODY_BYTES = 64 * 1024 * 1024
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
class RetryPolicy:
    """How often a request is repeated, and how long is waited at most (seconds)."""

    retries: int = 5
    backoff: float = 0.5
    max_wait: float = 120.0
    body_tries: int = 3


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class CappedRetry(Retry):
    """urllib3's Retry, to which a malformed Retry-After is none instead of an error."""

    def parse_retry_after(self, retry_after: str) -> float:
        """Seconds to wait, from seconds or an HTTP date, within [0, retry_after_max]; 0 means our backoff."""
        try:
            return super().parse_retry_after(retry_after)
        except (InvalidHeader, ValueError, OverflowError):
            return 0.0


class FhirClient:
    """Searches one center's server. Not for use by several threads at once; close it or use `with`.

    `clock` (aware UTC) tells when tokens expire.
    """

    def __init__(
        self,
        center: Center,
        policy: RetryPolicy | None = None,
        clock: Callable[[], dt.datetime] = _utc_now,
    ) -> None:
        self.center = center
        self._policy = policy or RetryPolicy()
        source = _credential(center, self._policy, clock)
        self._tokens = source if isinstance(source, SmartTokens) else None
        self._auth = OriginAuth(source, center.origin)
        self._session = _session(self._policy, center.tls)
        self._takes_post: bool | None = None  # not known before the first search
        self._takes_strict = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()
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
        return self._takes_post is False and len(self._search_url(query)) > MAX_URL_LENGTH

    def search(self, query: Query) -> Reply | None:
        """The answer to the query's first request; None when the server has just refused POST.

        After None the query is to be asked again, cut if it `is_too_long`. Raises ServerError, and
        ForbiddenError when the scopes granted do not cover the resource type.
        """
        self.require_scope(query.resource_type)
        if self._takes_post is False:
            return self._strictly("GET", self._search_url(query), query, None)
        url = self.center.url(f"{query.resource_type}/_search")
        reply = self._strictly("POST", url, query, query.encoded())
        if self._takes_post is None and reply.status in _POST_REFUSED:
            self._takes_post = False
            return None
        # A server that has taken one POST takes them all: a later 404 is about the type, and no reason to
        # put patient ids into URLs.
        if reply.is_success:
            self._takes_post = True
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

    def successful(self, reply: Reply, resource_type: str) -> JsonObject:
        """The resource in a successful reply.

        Raises SignInError for 401, ForbiddenError for 403, UnreachableError when the server failed to the
        last try, ServerError for anything else.
        """
        if reply.is_success and reply.resource is not None:
            return reply.resource
        codes = sorted({issue.code for issue in issues_of(reply.resource or {})})
        told = f" (OperationOutcome: {', '.join(codes)})" if codes else ""
        message = self.said(f"answered {reply.status} to a search for {resource_type}{told}.")
        if reply.status == 401:
            raise SignInError(message, "check the credentials and what they may read.")
        if reply.status == 403:
            raise ForbiddenError(message, "check what the credentials may read.")
        if reply.status in _REPEATED:
            raise UnreachableError(message, "ask the center's server team, naming the time of this message.")
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
        reply = self._exchange(
            _search_request(method, url, form, is_strict=self._takes_strict), query.resource_type
        )
        if not self._takes_strict or reply.status not in _STRICT_REFUSED:
            return reply
        lenient = self._exchange(_search_request(method, url, form, is_strict=False), query.resource_type)
        self._takes_strict = not lenient.is_success
        return lenient

    def _exchange(self, request: requests.Request, resource_type: str) -> Reply:
        """Send a request and read its answer; a refused access token is replaced once."""
        if origin_of(request.url) != self.center.origin:
            raise self.failure(
                f"gave a link away from its own origin for {resource_type}; nothing was sent there.",
                "correct the server's public base URL, or base_url in center.toml.",
            )
        prepared = self._auth(self._session.prepare_request(request))
        reply = self._whole(prepared, resource_type)
        if reply.status != 401 or self._tokens is None:
            return reply
        self._tokens.refuse(prepared.headers.get("Authorization"))
        return self._whole(self._auth(prepared), resource_type)

    def _whole(self, prepared: requests.PreparedRequest, resource_type: str) -> Reply:
        """The answer to a request, asked again when it was cut short."""
        for _ in range(self._policy.body_tries):
            reply = self._send(prepared, resource_type)
            if reply is not None:
                return reply
        raise UnreachableError(
            self.said(
                f"cut its answer to a search for {resource_type} short {self._policy.body_tries} times."
            ),
            "a proxy in between may limit size or time; try a smaller page_size.",
        )

    def _send(self, prepared: requests.PreparedRequest, resource_type: str) -> Reply | None:
        """One exchange; None when the body broke off."""
        timeout = (self.center.connect_timeout, self.center.read_timeout)
        try:
            response = self._session.send(prepared, timeout=timeout, allow_redirects=False, stream=True)
        except requests.RequestException as error:
            cause = cause_of(error)
            raise UnreachableError(
                self.said(f"could not be reached for a search for {resource_type} ({cause.text})."),
                cause.next_step,
            ) from None
        with response:
            body = self._body(response, resource_type)
            return None if body is None else self._reply(response, body, resource_type)

    def _body(self, response: requests.Response, resource_type: str) -> bytes | None:
        body = bytearray()
        try:
            for chunk in response.iter_content(_CHUNK_BYTES):
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise self.failure(
                        f"sent more than {MAX_BODY_BYTES} bytes for one page of {resource_type}.",
                        "use a smaller page_size.",
                    )
        except requests.RequestException:
            return None  # fewer bytes than announced, a missing last chunk, a broken gzip stream
        return bytes(body)

    def _reply(self, response: requests.Response, body: bytes, resource_type: str) -> Reply | None:
        url = response.url.removesuffix("/_search") if response.request.method == "POST" else response.url
        server_time = http_date(response.headers.get("Date"))
        if not 200 <= response.status_code < 300:
            return Reply(response.status_code, url, readable(body), server_time)
        media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if media_type not in _JSON_TYPES:
            raise self.failure(
                f"answered a search for {resource_type} with {len(body)} bytes that are not JSON.",
                "a sign-in page or a proxy may stand in front of the server; check base_url and credentials.",
            )
        try:
            return Reply(response.status_code, url, decode_object(body), server_time)
        except ValueError as error:
            if not _is_framed(response.headers):
                return None  # without a told length, requests takes a broken-off body for a whole one
            raise self.failure(
                f"answered a search for {resource_type} with invalid JSON: {error}.",
                "ask the center's server team; nothing of this page was used.",
            ) from None


def _search_request(method: str, url: str, form: str | None, *, is_strict: bool) -> requests.Request:
    headers = dict(_HEADERS)
    if is_strict:
        headers["Prefer"] = "handling=strict"
    if form is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    return requests.Request(method, url, headers=headers, data=form)


def _credential(center: Center, policy: RetryPolicy, clock: Callable[[], dt.datetime]) -> HeaderSource:
    if isinstance(center.auth, SmartAuth):
        patience = Patience(policy.retries + 1, policy.backoff, policy.max_wait)
        return SmartTokens(center, center.auth, clock, patience)
    return center.auth


def _session(policy: RetryPolicy, tls: Tls) -> requests.Session:
    retry = CappedRetry(
        total=policy.retries,
        redirect=0,
        allowed_methods=frozenset({"GET", "POST"}),  # POST _search only reads
        status_forcelist=_REPEATED,
        backoff_factor=policy.backoff,
        backoff_max=policy.max_wait,
        backoff_jitter=policy.backoff,
        retry_after_max=int(policy.max_wait),
        raise_on_status=False,
    )
    return open_session(tls, HTTPAdapter(max_retries=retry))


def _is_framed(headers: Mapping[str, str]) -> bool:
    return "Content-Length" in headers or "chunked" in headers.get("Transfer-Encoding", "").lower()
