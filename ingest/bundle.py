"""One answer to a search, read as what it must be: a page of a searchset Bundle.

Entries are sorted by the type of their resource, for servers set search.mode wrongly or not at all. Next
links are opaque (https://hl7.org/fhir/R4/http.html#paging) and resolved against the URL just read.
"""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from ingest.center import Center
from ingest.client import FhirClient
from ingest.decode import JsonObject
from ingest.origin import origin_of
from ingest.outcome import OutcomeIssue, issues_of
from ingest.reply import Reply

# Whatever stands between the slashes is not used, so a host or port that nobody can read does no harm.
_LINK = re.compile(r"https?://[^/?#]*(?P<path>/[^?#]*)?(?P<query>\?[^#]*)?(?:#.*)?", re.IGNORECASE)


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

    @property
    def ids(self) -> set[str]:
        """The ids of its resources."""
        told = (resource.get("id") for resource in self.resources)
        return {each for each in told if isinstance(each, str)}


def searchset(client: FhirClient, reply: Reply, resource_type: str) -> JsonObject:
    """The searchset Bundle in a reply; raises ServerError or SignInError for anything else."""
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


def page_of(bundle: Mapping[str, Any], resource_type: str, server_time: dt.datetime | None) -> Page:
    """The entries of a well-formed Bundle, sorted by the type of their resource."""
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


def link_of(bundle: Mapping[str, Any], relation: str) -> str | None:
    """The first link of a relation in a well-formed Bundle."""
    links = [link.get("url") for link in bundle.get("link", []) if link.get("relation") == relation]
    return links[0] if links and isinstance(links[0], str) else None


def target(center: Center, reply: Reply, link: str, resource_type: str) -> str:
    """The absolute URL a link in a reply leads to; the client decides whether it may be asked."""
    try:
        url = urljoin(reply.url, link)
    except ValueError:
        return link  # no URL at all: the client refuses it
    if center.rewrite_links and origin_of(url) != center.origin:
        return _below_base(center, url, resource_type) or url
    return url


def _below_base(center: Center, url: str, resource_type: str) -> str | None:
    """A link to the same server by another address, as a URL below the center's base.

    Servers behind a proxy write the address they know themselves by (microsoft/fhir-server#1317,
    samply/blaze#330). The query and the type are the server's; the base is the configured one.
    """
    match = _LINK.fullmatch(url)
    if match is None:
        return None
    path, query = match["path"] or "", match["query"] or ""
    tail = re.search(rf"(?:/{resource_type}(?:/_search)?)?/?$", path)
    return center.base_url.rstrip("/") + (tail[0].rstrip("/") if tail else "") + query


def _is_well_formed(bundle: JsonObject) -> bool:
    """Whether entries and links can be read; a next link that leads nowhere must not end the walk."""
    entries, links = bundle.get("entry", []), bundle.get("link", [])
    if not _is_list_of_objects(entries) or not _is_list_of_objects(links):
        return False
    urls = [link.get("url") for link in links if link.get("relation") == "next"]
    return all(isinstance(url, str) and url.strip() for url in urls)


def _is_list_of_objects(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)
