"""FhirClient: the only door to a center's server.

Every request is checked against the center's origin before anything is sent, redirects are never
followed, answers are read under a size cap and believed only when they are complete and strict JSON.
The environment is ignored (`trust_env` off): .netrc would add credentials and a proxy variable would
send clinical queries where no configuration says so.

Habits of servers met here: some refuse POST _search, some refuse `Prefer: handling=strict`
(samply/blaze#4051); each is tried once and remembered. Without `Cache-Control: no-cache` HAPI answers
from a cache of the last minute (hapifhir/hapi-fhir#647).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, InvalidHeader
from urllib3.util.retry import Retry

from ingest.auth import OriginAuth
from ingest.center import Center
from ingest.decode import JsonObject, decode_object
from ingest.origin import origin_of
from ingest.outcome import issues_of
from ingest.query import Query
from ingest.reply import Reply, Stream, StreamRequest, http_date, readable
from ingest.source import ByExport
from ingest.stream import BrokenStreamError
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


class CappedRetry(Retry):
    """urllib3's Retry, to which a malformed Retry-After is none instead of an error."""

    def parse_retry_after(self, retry_after: str) -> float:
        """Seconds to wait, from seconds or an HTTP date, within [0, retry_after_max]; 0 means our backoff."""
        try:
            return super().parse_retry_after(retry_after)
        except (InvalidHeader, ValueError, OverflowError):
            return 0.0


class FhirClient:
    """Searches one center's server. Not for use by several threads at once; close it or use `with`."""

    def __init__(self, center: Center, policy: RetryPolicy | None = None) -> None:
        self.center = center
        self.policy = policy or RetryPolicy()
        self._auth = OriginAuth(center.auth, center.origin)
        self._session = _session(self.policy)
        # Whoever reads a stream also knows which request may be repeated: a kick-off, say, may not.
        self._streams = _session(replace(self.policy, retries=0))
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
        self._streams.close()

    def is_too_long(self, query: Query) -> bool:
        """Whether the query must be cut before it is asked: by GET its URL would be too long."""
        return self._takes_post is False and len(self._search_url(query)) > MAX_URL_LENGTH

    def search(self, query: Query) -> Reply | None:
        """The answer to the query's first request; None when the server has just refused POST.

        After None the query is to be asked again, cut if it `is_too_long`. Raises ServerError.
        """
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

    @contextmanager
    def stream(self, request: StreamRequest) -> Iterator[Stream]:
        """One exchange whose body is read while the block runs; nothing is tried twice.

        Raises ServerError, before sending, for an origin that is neither the center's nor a file origin of
        its export, and UnreachableError. The credential goes to the center's origin only.
        """
        is_own = self._require_known(request.url)
        prepared = self._streams.prepare_request(
            requests.Request(request.method, request.url, headers=dict(request.headers), data=request.body)
        )
        if is_own and request.is_signed:
            self._auth(prepared)
        timeout = (self.center.connect_timeout, self.center.read_timeout)
        try:
            response = self._streams.send(prepared, timeout=timeout, allow_redirects=False, stream=True)
        except requests.RequestException as error:
            raise UnreachableError(
                self.said(f"could not be reached for its export ({type(error).__name__})."),
                "check that the server is up; what was exported is asked for again by the next sync.",
            ) from None
        with response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            yield Stream(response.status_code, request.url, headers, _chunks(response))

    def _require_known(self, url: str) -> bool:
        """Whether `url` is the center's own; raises ServerError when it is not even a file origin."""
        origin, source = origin_of(url), self.center.source
        others = source.file_origins if isinstance(source, ByExport) else frozenset()
        if origin is None or (origin != self.center.origin and origin not in others):
            raise self.failure(
                "gave a link away from its own origin for its export; nothing was sent there.",
                "if the files lie there on purpose, add that origin to bulk.file_origins in center.toml.",
            )
        return origin == self.center.origin

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
        """Send a request and read its answer, again when the answer was cut short."""
        if origin_of(request.url) != self.center.origin:
            raise self.failure(
                f"gave a link away from its own origin for {resource_type}; nothing was sent there.",
                "correct the server's public base URL, or base_url in center.toml.",
            )
        prepared = self._session.prepare_request(request)
        self._auth(prepared)
        for _ in range(self.policy.body_tries):
            reply = self._send(prepared, resource_type)
            if reply is not None:
                return reply
        raise UnreachableError(
            self.said(
                f"cut its answer to a search for {resource_type} short {self.policy.body_tries} times."
            ),
            "a proxy in between may limit size or time; try a smaller page_size.",
        )

    def _send(self, prepared: requests.PreparedRequest, resource_type: str) -> Reply | None:
        """One exchange; None when the body broke off."""
        timeout = (self.center.connect_timeout, self.center.read_timeout)
        try:
            response = self._session.send(prepared, timeout=timeout, allow_redirects=False, stream=True)
        except requests.RequestException as error:
            # The text of the error holds the URL, and a URL may hold patient ids: only its class is told.
            raise UnreachableError(
                self.said(f"could not be reached for a search for {resource_type} ({type(error).__name__})."),
                "check that the server is up and base_url is right.",
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


class _Session(requests.Session):
    """A session that does not look where a redirect leads: requests raises ValueError for some Locations."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Nowhere: redirects are not followed."""


def _session(policy: RetryPolicy) -> requests.Session:
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
    session = _Session()
    session.trust_env = False
    session.mount("https://", HTTPAdapter(max_retries=retry))
    session.mount("http://", HTTPAdapter(max_retries=retry))
    return session


def _chunks(response: requests.Response) -> Iterator[bytes]:
    try:
        yield from response.raw.stream(_CHUNK_BYTES, decode_content=False)
    except HTTPError:
        raise BrokenStreamError("the body broke off") from None


def _is_framed(headers: Mapping[str, str]) -> bool:
    return "Content-Length" in headers or "chunked" in headers.get("Transfer-Encoding", "").lower()
