"""Search results as pages: a snapshot is taken once, so walking it neither repeats nor loses a resource."""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from service.demo.fhir import Resource
from service.demo.refused import Refused
from service.demo.search import Search

KEPT_SNAPSHOTS = 200


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A search and its result at the moment it was asked."""

    search: Search
    resources: tuple[Resource, ...]


@dataclass(frozen=True, slots=True)
class Habits:
    """What a server adds to pages on its own.

    repeats: resources ('Type/id') entered twice in a row. warnings: an OperationOutcome by resource type,
    on the first page of every search for it.
    """

    repeats: frozenset[str]
    warnings: Mapping[str, Resource]


class Pager:
    """Cuts results into searchset Bundles and remembers the newest; safe to use from several threads."""

    def __init__(self, base_url: str, habits: Habits) -> None:
        self._base_url = base_url
        self._habits = habits
        self._snapshots: OrderedDict[str, Snapshot] = OrderedDict()
        self._lock = threading.Lock()

    def first(self, search: Search, resources: tuple[Resource, ...]) -> Resource:
        """The first page of a new result."""
        token, snapshot = secrets.token_urlsafe(12), Snapshot(search, resources)
        with self._lock:
            self._snapshots[token] = snapshot
            while len(self._snapshots) > KEPT_SNAPSHOTS:
                self._snapshots.popitem(last=False)
        query = f"?{urlencode(search.honored)}" if search.honored else ""
        return self._page(snapshot, token, 0, f"{self._base_url}/{search.resource_type}{query}")

    def further(self, link: str) -> Resource:
        """The page a next link stands for; raises Refused with 410 once it is forgotten."""
        token, _, start = link.rpartition(".")
        with self._lock:
            snapshot = self._snapshots.get(token)
        if snapshot is None or not start.isdecimal():
            raise Refused(410, "expired", "This page is no longer held. Search again.")
        return self._page(snapshot, token, int(start), self._link(token, int(start)))

    def _page(self, snapshot: Snapshot, token: str, start: int, own_url: str) -> Resource:
        search, end = snapshot.search, start + snapshot.search.count
        entries = [
            entry for resource in snapshot.resources[start:end] for entry in self._entries(search, resource)
        ]
        warning = self._habits.warnings.get(search.resource_type)
        if start == 0 and warning is not None:
            entries.append({"resource": warning, "search": {"mode": "outcome"}})
        links = [{"relation": "self", "url": own_url}]
        if search.count and end < len(snapshot.resources):
            links.append({"relation": "next", "url": self._link(token, end)})
        bundle: Resource = {
            "resourceType": "Bundle",
            "type": "searchset",
            "total": len(snapshot.resources),
            "link": links,
        }
        return bundle | ({"entry": entries} if entries else {})

    def _entries(self, search: Search, resource: Resource) -> list[Resource]:
        address = f"{resource['resourceType']}/{resource['id']}"
        entry = {
            "fullUrl": f"{self._base_url}/{address}",
            "resource": search.shown(resource),
            "search": {"mode": "match"},
        }
        return [entry] * (2 if address in self._habits.repeats else 1)

    def _link(self, token: str, start: int) -> str:
        return f"{self._base_url}?{urlencode({'_page': f'{token}.{start}'})}"
