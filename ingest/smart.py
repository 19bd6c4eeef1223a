"""Access tokens of SMART Backend Services: got when needed, kept while good, replaced when refused.

The token endpoint is the one that center.toml names, or the one that the center's own server tells in its
smart-configuration: that is how it may be of another origin, over https only. It alone gets the assertion;
the token goes to the origin of the center's base_url alone (ingest/auth.py).

https://hl7.org/fhir/smart-app-launch/backend-services.html
"""

import datetime as dt
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from ingest.assertion import signed_assertion
from ingest.auth import HeaderSource, SmartAuth
from ingest.center import Center
from ingest.origin import origin_of
from ingest.scopes import may_search, missing_scopes
from ingest.stopping import Stopping
from ingest.token_endpoint import Answer, NoAnswer, TokenServer
from mappings.errors import SignInError, UnreachableError

# A token is given up this long before it expires, so that none expires on the way; at most half its life.
MARGIN = dt.timedelta(seconds=30)
SHORT_LIFE = dt.timedelta(seconds=60)  # of a token whose server does not tell
LONGEST_LIFE = dt.timedelta(days=1)
TOLERATED_SKEW = dt.timedelta(seconds=30)

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_PASSING = frozenset({429, 500, 502, 503, 504})
_REFUSED = frozenset({400, 401, 403})
_TOKEN = re.compile(r"[!-~]{1,16384}")
_TRY_AGAIN = "ask the center's server team, naming the time of this message."
# The error codes of RFC 6749, and what to do about each; whatever else a server says is not repeated.
_REFUSALS = {
    "invalid_client": "check auth.client_id, and that the server knows the public key under auth.key_id.",
    "invalid_scope": "ask in auth.scopes for scopes that the server grants to this client.",
    "unauthorized_client": "ask the center to allow this client the client_credentials grant.",
    "unsupported_grant_type": "ask the center whether its server has SMART Backend Services.",
    "invalid_grant": "check auth.client_id, and that the server knows the public key under auth.key_id.",
    "invalid_request": "ask the center what else its server wants of a SMART Backend Services client.",
}


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a token is asked for in vain, and how long is waited in between (seconds)."""

    tries: int = 3
    backoff: float = 1.0
    max_wait: float = 60.0


@dataclass(frozen=True, slots=True)
class _Token:
    header: str = field(repr=False)
    good_until: dt.datetime
    scopes: tuple[str, ...]


class SmartTokens:
    """The access token of one center's client, as the header that carries it.

    Threads may share it: one asks for a token, the others wait for that one. `clock` tells aware UTC.
    """

    def __init__(
        self,
        center: Center,
        auth: SmartAuth,
        clock: Callable[[], dt.datetime],
        patience: Patience | None = None,
        stopping: Stopping | None = None,
    ) -> None:
        self._center = center
        self._auth = auth
        self._clock = clock
        self._patience = patience or Patience()
        self._stopping = stopping or Stopping(center.center_id, bool)
        self._server = TokenServer(center, self._stopping.is_asked)
        self._lock = threading.Lock()
        self._asked_at = clock()
        self._token: _Token | None = None
        self._token_url: str | None = None
        self._has_signed_in = False
        self._refusal: tuple[str, str] | None = None
        self._lacking: tuple[str, ...] = ()

    def close(self) -> None:
        """Close the connections."""
        self._server.close()

    def header(self) -> str:
        """The Authorization header of a token that is good now.

        Raises SignInError when the client is refused (then, without asking, each time), UnreachableError when
        no usable answer comes, StoppedError when the run is asked to stop meanwhile.
        """
        return self._good_token().header

    def refuse(self, header: str | None) -> None:
        """Note that the center's server refused `header`; the next one carries another token."""
        with self._lock:
            if self._token is not None and self._token.header == header:
                self._token = None

    def may_search(self, resource_type: str) -> bool:
        """Whether the scopes granted let us find all of a resource type; signs in first."""
        return may_search(resource_type, self._auth.scopes, self._good_token().scopes)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the center's report should say: the scopes asked for and not granted."""
        lacking = " ".join(self._lacking)
        return (f"The server of center {self._center.center_id} did not grant {lacking}.",) if lacking else ()

    def _good_token(self) -> _Token:
        with self._lock:
            if self._token is None or self._clock() >= self._token.good_until:
                self._token = self._sign_in()
            return self._token

    def _sign_in(self) -> _Token:
        if self._refusal is not None:  # some servers lock out a client that keeps on asking
            raise SignInError(*self._refusal)
        token_url = self._token_url or self._find_token_url()
        self._token_url = token_url
        answer = self._asked(lambda: self._server.post(token_url, self._form(token_url)))
        if not isinstance(answer, Answer) or not answer.is_success:
            raise self._failure(answer)
        token = self._token_of(answer)
        self._has_signed_in = True
        self._lacking = missing_scopes(self._auth.scopes, token.scopes)
        return token

    def _form(self, token_url: str) -> dict[str, str]:
        """A new request for a token: its assertion is never sent twice."""
        self._asked_at = self._clock()
        return {
            "grant_type": "client_credentials",
            "scope": " ".join(self._auth.scopes),
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": signed_assertion(self._auth, token_url, self._asked_at),
        }

    def _asked(self, ask: Callable[[], Answer | NoAnswer]) -> Answer | NoAnswer:
        """The first answer that asking again would not better, or the last one."""
        answer = ask()
        for number in range(1, self._patience.tries):
            if not self._is_passing(answer):
                return answer
            self._stopping.wait(self._wait(answer, number))
            answer = ask()
        if self._is_passing(answer):
            self._stopping.require_going_on()  # an answer that was not waited for is none
        return answer

    def _is_passing(self, answer: Answer | NoAnswer) -> bool:
        if isinstance(answer, NoAnswer) or answer.status in _PASSING:
            return True
        # Epic now and then answers 400 to a client that it knows; who was never let in is told at once.
        return self._has_signed_in and answer.status in _REFUSED

    def _wait(self, answer: Answer | NoAnswer, number: int) -> float:
        told = answer.retry_after if isinstance(answer, Answer) else None
        return min(
            self._patience.max_wait, self._patience.backoff * 2 ** (number - 1) if told is None else told
        )

    def _token_of(self, answer: Answer) -> _Token:
        """The token in a good answer; it lives from when it was asked for."""
        content = answer.content or {}
        text, kind, scope = (content.get(name) for name in ("access_token", "token_type", "scope"))
        if not isinstance(text, str) or _TOKEN.fullmatch(text) is None:
            raise UnreachableError(
                self._said(f"answered {answer.status} without an access token."),
                "a sign-in page or a proxy may stand in front of it; check auth.token_url.",
            )
        if not isinstance(kind, str) or kind.lower() != "bearer":
            raise UnreachableError(self._said("issued a token that is not a bearer token."), _TRY_AGAIN)
        life = _life(content.get("expires_in"))
        # RFC 6749, 5.1: a server that grants what was asked for need not say so.
        scopes = tuple(scope.split()) if isinstance(scope, str) and scope.strip() else self._auth.scopes
        return _Token(f"Bearer {text}", self._asked_at + life - min(MARGIN, life / 2), scopes)

    def _failure(self, answer: Answer | NoAnswer) -> SignInError | UnreachableError:
        if isinstance(answer, NoAnswer):
            return UnreachableError(self._said(f"could not be reached ({answer.reason})."), answer.next_step)
        if 300 <= answer.status < 400:
            return UnreachableError(
                self._said(f"answered {answer.status}; redirects are not followed."),
                "set auth.token_url to the final address.",
            )
        if answer.status not in _REFUSED:
            return UnreachableError(self._said(f"answered {answer.status}."), _TRY_AGAIN)
        self._refusal = self._told_refusal(answer)
        return SignInError(*self._refusal)

    def _told_refusal(self, answer: Answer) -> tuple[str, str]:
        """Message and next step: the server's error code if RFC 6749 knows it, and a clock that is wrong."""
        code = (answer.content or {}).get("error")
        known = code if isinstance(code, str) and code in _REFUSALS else None
        said = self._said(f"answered {answer.status}{f' ({known})' if known else ''}.")
        skew = self._clock() - answer.server_time if answer.server_time else dt.timedelta()
        if abs(skew) > TOLERATED_SKEW:
            side = "ahead of" if skew > dt.timedelta() else "behind"
            return (
                f"{said} The clock of this machine is {abs(skew).total_seconds():.0f} s {side} its clock.",
                "set the clock: an assertion from another time is refused.",
            )
        return said, _REFUSALS[known or "invalid_client"]

    def _find_token_url(self) -> str:
        """The token endpoint: as configured, or as the center's own server tells it."""
        if self._auth.token_url is not None:
            return self._auth.token_url
        answer = self._asked(lambda: self._server.get(self._center.url(".well-known/smart-configuration")))
        content = answer.content if isinstance(answer, Answer) and answer.is_success else None
        told = content.get("token_endpoint") if content else None
        if content is None or not isinstance(told, str):
            what = f"answered {answer.status}" if isinstance(answer, Answer) else answer.reason
            raise UnreachableError(
                f"The server of center {self._center.center_id} told no token endpoint in its "
                f".well-known/smart-configuration ({what}).",
                "ask the center for the address and set auth.token_url.",
            )
        self._require_algorithm(content.get("token_endpoint_auth_signing_alg_values_supported"))
        if not self._is_usable(told):
            raise UnreachableError(
                f"The server of center {self._center.center_id} told a token endpoint that must not be used.",
                "it must be an https address; ask the center for the right one and set auth.token_url.",
            )
        return told

    def _is_usable(self, token_url: str) -> bool:
        """Whether an assertion may go where a server says: by https, to this machine only from itself."""
        origin = origin_of(token_url)
        if origin is None or not origin.is_confidential or "#" in token_url:
            return False
        return self._center.origin.is_loopback or not origin.is_loopback

    def _require_algorithm(self, supported: object) -> None:
        if isinstance(supported, list) and supported and self._auth.algorithm not in supported:
            raise SignInError(
                f"The server of center {self._center.center_id} takes no assertion signed by "
                f"{self._auth.algorithm}.",
                "set auth.algorithm to the other of RS384 and ES384, with a key of its kind.",
            )

    def _said(self, what: str) -> str:
        return f"The token endpoint of center {self._center.center_id} {what}"


def header_source(
    center: Center, clock: Callable[[], dt.datetime], patience: Patience, stopping: Stopping
) -> HeaderSource:
    """What signs the requests to a center's server in."""
    if isinstance(center.auth, SmartAuth):
        return SmartTokens(center, center.auth, clock, patience, stopping)
    return center.auth


def _life(expires_in: object) -> dt.timedelta:
    """How long a token lives: short when its server does not tell, or tells nonsense."""
    if isinstance(expires_in, str) and expires_in.isdecimal():  # seen in place of a number
        expires_in = Decimal(expires_in)
    if isinstance(expires_in, bool) or not isinstance(expires_in, int | Decimal) or expires_in <= 0:
        return SHORT_LIFE
    return dt.timedelta(seconds=float(min(expires_in, int(LONGEST_LIFE.total_seconds()))))
