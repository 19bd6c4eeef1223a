"""A versioned store of resources in memory: what a FHIR server keeps, and the stamps it puts on it."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from service.demo.fhir import Resource


@dataclass(frozen=True, slots=True)
class Stored:
    """The newest version of one id, written at that time; `resource` is None once deleted."""

    version: int
    resource: Resource | None
    written_at: datetime


class ResourceStore:
    """Resources by type and id, in the order of their first arrival; safe to use from several threads.

    Stored resources are never changed: every write puts a new one in place.
    """

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], Stored] = {}
        self._lock = threading.Lock()

    def put(self, resource: Resource, last_updated: datetime) -> Stored:
        """Store a resource as the next version of its id, with meta.versionId and meta.lastUpdated."""
        with self._lock:
            return self._put(resource, last_updated)

    def load(self, resources: Iterable[Resource], last_updated: datetime) -> None:
        """Store many resources, one a millisecond; `last_updated` is the stamp of the last one."""
        held = list(resources)
        with self._lock:
            for number, resource in enumerate(held, start=1 - len(held)):
                self._put(resource, last_updated + timedelta(milliseconds=number))

    def delete(self, resource_type: str, resource_id: str, now: datetime) -> bool:
        """Delete an id; False if there never was one. Deleting again changes nothing."""
        with self._lock:
            held = self._held.get((resource_type, resource_id))
            if held is None:
                return False
            if held.resource is not None:
                self._held[resource_type, resource_id] = Stored(held.version + 1, None, now)
            return True

    def find(self, resource_type: str, resource_id: str) -> Stored | None:
        """The newest version of an id, None if there never was one."""
        with self._lock:
            return self._held.get((resource_type, resource_id))

    def current(self, resource_type: str) -> list[Resource]:
        """All resources of a type that are not deleted, as they are at this moment."""
        with self._lock:
            held = [stored for (kind, _), stored in self._held.items() if kind == resource_type]
        return [stored.resource for stored in held if stored.resource is not None]

    def deleted_since(self, resource_type: str, since: datetime) -> list[str]:
        """The ids of a type that were deleted at that time or later and not written anew."""
        with self._lock:
            return [
                key
                for (kind, key), stored in self._held.items()
                if kind == resource_type and stored.resource is None and stored.written_at >= since
            ]

    def _put(self, resource: Resource, last_updated: datetime) -> Stored:
        key = resource["resourceType"], resource["id"]
        version = self._held[key].version + 1 if key in self._held else 1
        stamp = {"versionId": str(version), "lastUpdated": instant(last_updated)}
        stored = Stored(version, resource | {"meta": resource.get("meta", {}) | stamp}, last_updated)
        self._held[key] = stored
        return stored


def instant(moment: datetime) -> str:
    """A FHIR instant in UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
