"""One answer to a search, read as what it must be: a page of a searchset Bundle.

Next links are opaque (https://hl7.org/fhir/R4/http.html#paging) and resolved against the URL just read.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urljoin

from ingest.center import Center
from ingest.client import FhirClient
from ingest.decode import JsonObject
from ingest.origin import origin_of
from ingest.outcome import issues_of
from ingest.page import Page, is_searchset, is_well_formed, page_of
from ingest.reply import Reply

# Whatever stands between the slashes is not used, so a host or port that nobody can read does no harm.
_LINK = re.compile(r"https?://[^/?#]*(?P<path>/[^?#]*)?(?P<query>\?[^#]*)?(?:#.*)?", re.IGNORECASE)


def searchset(client: FhirClient, reply: Reply, resource_type: str) -> JsonObject:
    """The searchset Bundle in a reply; raises ServerError or SignInError for anything else."""
    bundle = client.successful(reply, resource_type)
    if not is_searchset(bundle):
        codes = ", ".join(sorted({issue.code for issue in issues_of(bundle)}))
        raise client.failure(
            f"answered a search for {resource_type} with something other than a searchset Bundle"
            + (f" (OperationOutcome: {codes})." if codes else "."),
            "check that base_url is the FHIR base of the server.",
        )
    if reply.page is None and not is_well_formed(bundle):
        raise client.failure(
            f"answered a search for {resource_type} with a malformed Bundle.", "ask the center's server team."
        )
    return bundle


def page_in(bundle: JsonObject, reply: Reply, resource_type: str) -> Page:
    """The page that a well-formed searchset Bundle is, or that was taken out of it."""
    return replace(reply.page or page_of(bundle, resource_type), server_time=reply.server_time)


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
