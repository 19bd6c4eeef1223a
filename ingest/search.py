"""The searchset walk: every page of a query, or an error; never a part taken for the whole.

Only a 2xx searchset Bundle without a next link ends a pass (an error on a next link taken as the end is
the field's classic silent loss); a link is followed on the center's origin only, never twice. While a walk
of several pages goes on, data change and rows shift from page to page (hapifhir/hapi-fhir#3608), so a
second pass over the ids alone must bring none that is new.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeVar
from urllib.parse import urlsplit

from ingest.bundle import link_of, page_in, searchset, target
from ingest.client import FhirClient
from ingest.habits import concessions, smaller
from ingest.instant import instant
from ingest.outcome import OutcomeIssue
from ingest.page import Page
from ingest.query import Query
from ingest.reply import Reply
from mappings.errors import IncompleteError, ServerError

__all__ = ["Glance", "Page", "WalkLimits", "glance", "walk"]

T = TypeVar("T")

# What servers answer to a next link they have forgotten (500: microsoft/fhir-server#1415).
_EXPIRED = frozenset({400, 404, 410, 500})
_REFUSED_FORM = frozenset({400, 413, 422})
_URL_TOO_LONG = 414
_NO_GET = 405


@dataclass(frozen=True, slots=True)
class WalkLimits:
    """When a walk is given up: pages in all, empty pages in a row, restarts after an expired link, passes."""

    pages: int = 10_000
    empty_pages: int = 20
    restarts: int = 2
    passes: int = 3


class _CutError(IncompleteError):
    """The query was not answered whole; its halves may be."""


@dataclass(frozen=True, slots=True)
class Glance:
    """The first page of a query; `total` is how many matches the server says there are, if it does."""

    page: Page
    total: int | None
    has_next: bool


def walk(client: FhirClient, query: Query, limits: WalkLimits | None = None) -> Iterator[Page]:
    """All pages of a query; a resource may come several times. Raises ServerError or SignInError."""
    return _in_pieces(client, query, lambda piece: _settled(client, piece, limits or WalkLimits()))


def glance(client: FhirClient, query: Query) -> list[Glance]:
    """The first page of a query, or of each piece that a long query is cut into; no further page is read.

    Raises ServerError or SignInError.
    """
    return list(_in_pieces(client, query, lambda piece: iter([_glance(client, piece)])))


def _in_pieces(client: FhirClient, query: Query, ask: Callable[[Query], Iterator[T]]) -> Iterator[T]:
    """What `ask` brings of a query, or of its halves where the server does not take or answer it whole."""
    waiting = [query]
    while waiting:
        piece = waiting.pop()
        halves = piece.halves()
        if halves is not None and client.is_too_long(piece):
            waiting.extend(reversed(halves))
            continue
        try:
            yield from ask(piece)
        except _CutError:
            if halves is None:
                raise
            waiting.extend(reversed(halves))


def _glance(client: FhirClient, query: Query) -> Glance:
    reply = _first(client, query)
    bundle = searchset(client, reply, query.resource_type)
    total = bundle.get("total")
    return Glance(
        page=page_in(bundle, reply, query.resource_type),
        total=total if isinstance(total, int) and not isinstance(total, bool) and total >= 0 else None,
        has_next=link_of(bundle, "next") is not None,
    )


def _settled(client: FhirClient, query: Query, limits: WalkLimits) -> Iterator[Page]:
    """Full passes, each followed by a check, until a check finds no match that was missed."""
    seen: set[str] = set()
    for _ in range(limits.passes):
        progress = _Progress(query.resource_type, limits)
        for page in _pass(client, query, progress):
            seen |= page.ids
            yield _noticed(page, query, progress)
        if progress.pages == 1:
            _require_all(client, page, progress)
            return  # one answer is one moment
        is_settled = True
        for page in _pass(client, query.ids_only(), _Progress(query.resource_type, limits)):
            is_settled = not _has_missed(page, seen, progress.started)
            if page.issues or page.lost:  # its resources are parts of resources, and never data
                yield replace(page, resources=(), ignored=0)
            if not is_settled:
                break
        if is_settled:
            return
    raise IncompleteError(
        client.said(
            f"had matches that {limits.passes} passes of a search for {query.resource_type} did not bring."
        ),
        "run again when less is written there, or use a larger page_size.",
    )


def _has_missed(page: Page, seen: set[str], started: dt.datetime | None) -> bool:
    """Whether a page has a match that no pass brought.

    What was written after the pass had started is no miss: the watermark lies before it, so the next night
    asks for it. Else a server at work all night would never settle.
    """

    def is_later(last_updated: str | None) -> bool:
        told = instant(last_updated)
        return started is not None and told is not None and told > started

    return any(
        resource_id not in seen and not is_later(last_updated)
        for resource_id, last_updated in page.heads
        if resource_id is not None
    )


def _pass(client: FhirClient, query: Query, progress: "_Progress") -> Iterator[Page]:
    """The pages from the first to the one without a next link, again from the first when a link expired."""
    reply = _first(client, query)
    while True:
        bundle = searchset(client, reply, query.resource_type)
        if progress.pages == 1:
            progress.self_link = link_of(bundle, "self")  # on later pages it is often wrong
            progress.started = reply.server_time
        page = page_in(bundle, reply, query.resource_type)
        yield page
        link = link_of(bundle, "next")
        if link is None:
            progress.total = bundle.get("total")
            return
        url = target(client.center, reply, link, query.resource_type)
        progress.follow(client, url, is_empty=not page.resources)
        reply = client.get(url, query.resource_type)
        if _must_restart(client, query, url, reply, progress):
            reply = _first(client, query)


def _first(client: FhirClient, query: Query) -> Reply:
    """The first page, asked in whatever form of the query the server takes."""
    asked = client.habits.fit(query)
    reply = _ask(client, asked)
    if reply.status == _URL_TOO_LONG:
        raise _url_too_long(client, query)
    for form in _other_forms(asked, reply):
        other = _ask(client, form)
        if other.is_success and not other.is_oversize:
            client.habits.learn(asked, form)
            return other
    return reply


def _other_forms(query: Query, reply: Reply) -> Iterator[Query]:
    if reply.is_oversize:
        form = smaller(query)
        while form is not None:
            yield form
            form = smaller(form)
    elif reply.status in _REFUSED_FORM:
        yield from concessions(query)


def _ask(client: FhirClient, query: Query) -> Reply:
    reply = client.search(query)
    if reply is None and client.is_too_long(query) and query.halves() is not None:
        raise _url_too_long(client, query)
    reply = reply or client.search(query)  # by GET, now that POST was refused
    if reply is None:
        raise client.failure(
            f"refused POST and GET for a search for {query.resource_type}.",
            "ask the center's server team: a sync needs searches.",
        )
    return reply


def _must_restart(client: FhirClient, query: Query, url: str, reply: Reply, progress: "_Progress") -> bool:
    """Whether a link could not be read and the query is to be asked again, in a form that may fare better."""
    if reply.status == _URL_TOO_LONG:
        raise _url_too_long(client, query)
    is_posted = reply.status == _NO_GET or (
        reply.status in {400, 404} and urlsplit(url).path.endswith("/_search")
    )
    if reply.is_oversize and (fewer := smaller(client.habits.fit(query))) is not None:
        client.habits.learn(query, fewer)
    elif is_posted and client.habits.takes_post:
        client.habits.post_ends_nowhere()
    elif reply.status not in _EXPIRED:
        return False
    progress.restart(client, reply)
    return True


def _url_too_long(client: FhirClient, query: Query) -> _CutError:
    return _CutError(
        client.said(f"takes no URL as long as a search for {query.resource_type} needs."),
        "lower patient_batch and page_size in center.toml, or let the server take POST searches.",
    )


def _noticed(page: Page, query: Query, progress: "_Progress") -> Page:
    """The page, with a warning when its rows show that a filter was ignored, or its self link admits it.

    Rows decide (HeliosSoftware/hfs#474 claims filters it has not applied); all of them stay usable.
    """
    low = query.low
    if low is None:
        return page
    issues = []
    if any((told := instant(last_updated)) is not None and told < low for _, last_updated in page.heads):
        issues.append(OutcomeIssue("warning", "limited-filter"))
    if progress.pages == 1 and progress.self_link is not None and "_lastUpdated" not in progress.self_link:
        issues.append(OutcomeIssue("warning", "not-supported"))
    return replace(page, issues=(*page.issues, *issues)) if issues else page


@dataclass(slots=True)
class _Progress:
    """What one pass has used of its limits."""

    resource_type: str
    limits: WalkLimits
    visited: set[str] = field(default_factory=set)
    self_link: str | None = None
    started: dt.datetime | None = None
    total: object = None
    pages: int = 1
    empty_in_a_row: int = 0
    restarts: int = 0

    def follow(self, client: FhirClient, url: str, *, is_empty: bool) -> None:
        """Note that `url` is read next; raises ServerError for a loop or a spent limit."""
        self.empty_in_a_row = self.empty_in_a_row + 1 if is_empty else 0
        self.pages += 1
        if url in self.visited:
            raise self._endless(client, "came back to a page already read")
        if self.empty_in_a_row >= self.limits.empty_pages:
            raise self._endless(client, f"sent {self.empty_in_a_row} empty pages in a row")
        if self.pages > self.limits.pages:
            raise self._endless(client, f"sent more than {self.limits.pages} pages")
        self.visited.add(url)

    def restart(self, client: FhirClient, reply: Reply) -> None:
        """Note that the pass begins again; raises ServerError when that happened too often."""
        self.restarts += 1
        self.visited.clear()
        if self.restarts <= self.limits.restarts:
            return
        if reply.is_oversize or reply.status not in _EXPIRED - {500}:
            client.successful(reply, self.resource_type)  # raises what the answer means
        raise _CutError(
            client.said(f"forgot its next link {self.restarts} times in a search for {self.resource_type}."),
            "raise the server's lifetime of searches and its limit of pages, or use a larger page_size.",
        )

    def _endless(self, client: FhirClient, what: str) -> ServerError:
        return client.failure(
            f"{what} in a search for {self.resource_type}.", "its next links are wrong; ask its server team."
        )


def _require_all(client: FhirClient, page: Page, progress: _Progress) -> None:
    """Raise IncompleteError when the only page has fewer matches than the server says it found.

    @medplum/fhir-router 5 gives no next links: what does not fit on the first page is lost without a word.
    Only an answer of one page is judged: a total told beside next links may be an estimate.
    """
    total, held = progress.total, len(page.resources) + page.ignored + page.lost
    if isinstance(total, int) and total > held:
        raise IncompleteError(
            client.said(
                f"found {total} matches of a search for {progress.resource_type} and sent {held} "
                "without a next link."
            ),
            "raise page_size or lower patient_batch until one page holds them all.",
        )
