"""What a FHIR server holds, what its search index knows of it, and by which of its clocks it stamps.

A write is true at once and searchable later: until its index has caught up, the server answers searches with
the old version or, as HAPI does, leaves the resource out (hapifhir/hapi-fhir#4345). Instants are stamped by
whichever node took the write, so they may run backwards while version numbers go up
(LinuxForHealth/FHIR#3690).
"""

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from ingest.center import FhirVersion
from ingest.decode import decode_object
from ingest.minimise import minimise
from ingest.resource_types import load_resource_types
from tests.properties.made_resources import Resource

Key = tuple[str, str]
START = dt.datetime(2026, 3, 1, 12, 0, 0, tzinfo=dt.UTC)


@dataclass
class World:
    """The true time; every clock is this one, more or less wrong."""

    now: dt.datetime = START

    def wait(self, time: dt.timedelta) -> None:
        self.now += time


@dataclass(frozen=True)
class Habits:
    """How a server differs from an ideal one.

    `skew` is how far its clock is ahead of ours; `lag` how long its index takes; `order` how it sorts what it
    found. The index leaves an updated resource out until it is indexed again when `vanishes`.
    """

    skew: dt.timedelta = dt.timedelta(0)
    lag: dt.timedelta = dt.timedelta(0)
    order: Literal["id", "oldest", "newest"] = "id"
    vanishes: bool = False


@dataclass(frozen=True)
class Version:
    """One version of a resource: its content without meta, its number and the instant it was stamped with."""

    content: Resource
    number: int
    stamp: dt.datetime
    fhir_version: FhirVersion
    is_valid: bool = True

    @property
    def key(self) -> Key:
        return self.content["resourceType"], self.content["id"]

    @cached_property
    def resource(self) -> Resource:
        stamp = self.stamp.replace(tzinfo=None).isoformat(timespec="milliseconds")
        return self.content | {"meta": {"versionId": str(self.number), "lastUpdated": f"{stamp}Z"}}

    @cached_property
    def content_hash(self) -> str:
        """What the warehouse calls this content."""
        kept = {each.name: each for each in load_resource_types(self.fhir_version)}
        resource = decode_object(json.dumps(self.resource).encode())
        return minimise(resource, kept[self.key[0]]).content_hash


@dataclass
class ModelStore:
    """The resources of one server."""

    world: World
    habits: Habits
    fhir_version: FhirVersion
    current: dict[Key, Version] = field(default_factory=dict)
    deleted: dict[Key, Version] = field(default_factory=dict)
    recent: list[Key] = field(default_factory=list)
    _indexed: dict[Key, Version] = field(default_factory=dict)
    _waiting: list[tuple[dt.datetime, Key, Version | None]] = field(default_factory=list)

    @property
    def clock(self) -> dt.datetime:
        """The server's own time."""
        return self.world.now + self.habits.skew

    def put(
        self, content: Resource, *, node_ahead: dt.timedelta = dt.timedelta(0), is_valid: bool = True
    ) -> None:
        """Create or update a resource; one that was deleted is born again with version 1."""
        key = (content["resourceType"], content["id"])
        number = self.current[key].number + 1 if key in self.current else 1
        is_valid = is_valid and "language" not in content  # a spoiled one that is touched stays spoiled
        version = Version(content, number, self.clock + node_ahead, self.fhir_version, is_valid)
        self.deleted.pop(key, None)
        self.current[key] = version
        self.recent.append(key)
        if self.habits.vanishes:
            self._indexed.pop(key, None)
        self._waiting.append((self.world.now + self.habits.lag, key, version))

    def delete(self, key: Key) -> None:
        """Delete a resource that exists; reading it answers 410 from now on."""
        self.deleted[key] = self.current.pop(key)
        self._waiting.append((self.world.now + self.habits.lag, key, None))

    def searchable(self) -> dict[Key, Version]:
        """What a search can find now."""
        now = self.world.now
        for _, key, version in self._due(now):
            if version is None:
                self._indexed.pop(key, None)
            else:
                self._indexed[key] = version
        self._waiting = [entry for entry in self._waiting if not self._is_due(entry, now)]
        return dict(self._indexed)

    def backup(self) -> dict[Key, Version]:
        """What a backup of the server holds."""
        return dict(self.current)

    def restore_backup(self, backup: dict[Key, Version]) -> None:
        """Be as at the time of the backup, versions and instants included, with an index made anew."""
        self.deleted = {key: version for key, version in self.deleted.items() if key not in backup}
        self.current, self._indexed, self._waiting = dict(backup), dict(backup), []

    def settle(self) -> None:
        """Let time pass until the index knows everything."""
        self.world.wait(self.habits.lag + dt.timedelta(seconds=1))

    def in_order(self, versions: list[Version]) -> list[Version]:
        """The versions as this server sorts a search."""
        if self.habits.order == "id":
            return sorted(versions, key=lambda each: each.key)
        is_newest_first = self.habits.order == "newest"
        return sorted(versions, key=lambda each: (each.stamp, each.key), reverse=is_newest_first)

    def _due(self, now: dt.datetime) -> Iterator[tuple[dt.datetime, Key, Version | None]]:
        return (entry for entry in self._waiting if self._is_due(entry, now))

    def _is_due(self, entry: tuple[dt.datetime, Key, Version | None], now: dt.datetime) -> bool:
        # An index without lag is the store itself; any other is ready after its lag, not at it.
        return entry[0] < now if self.habits.lag else entry[0] <= now
