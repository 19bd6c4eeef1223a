"""The searchset walk: every page of a query, or an error; never a part taken for the whole.

Only a 2xx searchset Bundle without a next link ends a walk (an error on a next link taken as the end is
the field's classic silent loss). Next links are opaque (https://hl7.org/fhir/R4/http.html#paging):
resolved against the URL just read, followed on the center's origin only, never twice.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

from ingest.client import FhirClient
from ingest.decode import JsonObject
from ingest.outcome import OutcomeIssue, issues_of
from ingest.query import Query
from ingest.reply import Reply
from mappings.errors import IncompleteError, ServerError

# What servers answer to a next link they have forgotten.
_EXPIRED = frozenset({400, 404, 410})


@dataclass(frozen=True, slots=True)
class WalkLimits:
    """When a walk is given up: pages in all, empty pages in a row, restarts after an expired link."""

    pages: int = 10_000
    empty_pages: int = 20
    restarts: int = 2


@dataclass(frozen=True, slots=True)
class Page:
    """One page: resources of the type asked for, what the server reported, entries of other kinds.

    `lost` counts entries without a resource: something was found and not sent. `server_time` is the Date
    header of this page's answer.
    """

    resources: tuple[JsonObject, ...]
    issues: tuple[OutcomeIssue, ...]
    ignored: int
    lost: int
    server_time: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Glance:
    """The first page of a query; `total` is how many matches the server says there are, if it does."""

    page: Page
    total: int | None
    has_next: bool


def walk(client: FhirClient, query: Query, limits: WalkLimits | None = None) -> Iterator[Page]:
    """All pages of a query; a resource may come several times. Raises ServerError or SignInError."""
    for piece, reply in _first_replies(client, query):
        yield from _pages(client, piece, reply, _Progress(piece.resource_type, limits or WalkLimits()))


def glance(client: FhirClient, query: Query) -> list[Glance]:
    """The first page of a query, or of each piece that a long query is cut into; no further page is read.

    Raises ServerError or SignInError.
    """
    return [_glance(client, piece, reply) for piece, reply in _first_replies(client, query)]


def _glance(client: FhirClient, query: Query, reply: Reply) -> Glance:
    bundle = _searchset(client, reply, query.resource_type)
    total = bundle.get("total")
    return Glance(
        page=_page(bundle, query.resource_type, reply.server_time),
        total=total if isinstance(total, int) and not isinstance(total, bool) and total >= 0 else None,
        has_next=_next_link(bundle) is not None,
    )


def _first_replies(client: FhirClient, query: Query) -> Iterator[tuple[Query, Reply]]:
    """The answer to each piece of a query, cut so that a server that refuses POST takes its URL."""
    waiting = [query]
    while waiting:
        piece = waiting.pop()
        halves = piece.halves() if client.is_too_long(piece) else None
        if halves is not None:
            waiting.extend(reversed(halves))
            continue
        reply = client.search(piece)
        if reply is None:
            waiting.append(piece)
        else:
            yield piece, reply


def _pages(client: FhirClient, query: Query, first: Reply, progress: "_Progress") -> Iterator[Page]:
    reply = first
    while True:
        bundle = _searchset(client, reply, query.resource_type)
        page = _page(bundle, query.resource_type, reply.server_time)
        yield page
        link = _next_link(bundle)
        if link is None:
            _require_all(client, bundle, page, progress)
            return
        url = urljoin(reply.url, link)
        progress.follow(client, url, is_empty=not page.resources)
        reply = client.get(url, query.resource_type)
        if reply.status in _EXPIRED:
            reply = _restart(client, query, progress)


def _restart(client: FhirClient, query: Query, progress: "_Progress") -> Reply:
    """The first page once more: what was read so far stays valid, what follows the lost link is unread."""
    progress.restart(client)
    reply = client.search(query)
    if reply is None:
        raise client.failure(
            f"refused POST in the middle of a search for {query.resource_type}.",
            "run again; GET is used then.",
        )
    return reply


@dataclass(slots=True)
class _Progress:
    """What one walk has used of its limits."""

    resource_type: str
    limits: WalkLimits
    visited: set[str] = field(default_factory=set)
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

    def restart(self, client: FhirClient) -> None:
        """Note that the walk begins again; raises IncompleteError when that happened too often."""
        self.restarts += 1
        if self.restarts > self.limits.restarts:
            raise IncompleteError(
                client.said(
                    f"forgot its next link {self.restarts} times in a search for {self.resource_type}."
                ),
                "raise the server's lifetime of search results, or use a larger page_size.",
            )
        self.visited.clear()

    def _endless(self, client: FhirClient, what: str) -> ServerError:
        return client.failure(
            f"{what} in a search for {self.resource_type}.", "its next links are wrong; ask its server team."
        )


def _searchset(client: FhirClient, reply: Reply, resource_type: str) -> JsonObject:
    bundle = client.successful(reply, resource_type)
    if bundle.get("resourceType") != "Bundle" or bundle.get("type") != "searchset":
        codes = ", ".join(sorted({issue.code for issue in issues_of(bundle)}))
        raise client.failure(
            f"answered a search for {resource_type} with something other than a searchset Bundle"
            + (f" (OperationOutcome: {codes})." if codes else "."),
            "check that base_url is the FHIR base of the server.",
        )
    if not _is_well_formed(bundle):
        raise client.failure(
            f"answered a search for {resource_type} with a malformed Bundle.", "ask the center's server team."
        )
    return bundle


def _is_well_formed(bundle: JsonObject) -> bool:
    """Whether entries and links can be read; a next link that leads nowhere must not end the walk."""
    entries, links = bundle.get("entry", []), bundle.get("link", [])
    if not _is_list_of_objects(entries) or not _is_list_of_objects(links):
        return False
    urls = [link.get("url") for link in links if link.get("relation") == "next"]
    return all(isinstance(url, str) and url.strip() for url in urls)


def _is_list_of_objects(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _page(bundle: Mapping[str, Any], resource_type: str, server_time: dt.datetime | None) -> Page:
    """Sort the entries by the type of their resource: servers set search.mode wrongly or not at all."""
    entries = [entry.get("resource") for entry in bundle.get("entry", [])]
    objects = [resource for resource in entries if isinstance(resource, dict)]
    wanted = [resource for resource in objects if resource.get("resourceType") == resource_type]
    outcomes = [resource for resource in objects if resource.get("resourceType") == "OperationOutcome"]
    return Page(
        resources=tuple(wanted),
        issues=tuple(issue for outcome in outcomes for issue in issues_of(outcome)),
        ignored=len(objects) - len(wanted) - len(outcomes),
        lost=len(entries) - len(objects),
        server_time=server_time,
    )


def _require_all(client: FhirClient, bundle: JsonObject, page: Page, progress: "_Progress") -> None:
    """Raise IncompleteError when the only page has fewer matches than the server says it found.

    @medplum/fhir-router 5 gives no next links: what does not fit on the first page is lost without a word.
    Only an answer of one page is judged: a total told beside next links may be an estimate.
    """
    total, held = bundle.get("total"), len(page.resources) + page.ignored + page.lost
    if progress.pages == 1 and isinstance(total, int) and total > held:
        raise IncompleteError(
            client.said(
                f"found {total} matches of a search for {progress.resource_type} and sent {held} "
                "without a next link."
            ),
            "raise page_size or lower patient_batch until one page holds them all.",
        )


def _next_link(bundle: Mapping[str, Any]) -> str | None:
    links = [link.get("url") for link in bundle.get("link", []) if link.get("relation") == "next"]
    return str(links[0]) if links else None
