"""FHIR servers with habits: each does one thing wrong all the time and counts how often (`fired`)."""

import re
from typing import Any

from tests.faults.fault_server import FaultServer
from tests.ingest.loopback import Answer, Resource, Seen


class HabitServer(FaultServer):
    """A server with one habit; `fired` counts its showing."""

    def __init__(self, *resources: Any) -> None:
        super().__init__(*resources)
        self.fired = 0


class LiveServer(HabitServer):
    """Pages are offsets into what the server holds now: a change between two pages shifts the rows."""

    is_descending = False

    def _page(self, seen: Seen) -> Answer:
        resource_type, _, offset, count = self._pages[seen.query["_page"][0]]
        now = [each for each in self._store.values() if each["resourceType"] == resource_type]
        now.sort(key=lambda each: each["id"], reverse=self.is_descending)
        return self._bundle(resource_type, now, offset, count)


class CappedServer(HabitServer):
    """No page has more than two entries, whatever `_count` says."""

    def _bundle(self, resource_type: str, found: list[Resource], offset: int, count: int) -> Answer:
        self.fired += count > 2
        return super()._bundle(resource_type, found, offset, min(count, 2))


class DeafServer(HabitServer):
    """`_lastUpdated` is ignored, although strict handling was asked for."""

    def _fits(self, resource: Resource, name: str, value: str) -> bool:
        self.fired += name == "_lastUpdated"
        return name == "_lastUpdated" or super()._fits(resource, name, value)


class ShortDateServer(HabitServer):
    """Anything but a full instant in `_lastUpdated` is the year 1: everything matches."""

    def _fits(self, resource: Resource, name: str, value: str) -> bool:
        if name != "_lastUpdated":
            return super()._fits(resource, name, value)
        self.fired += 1
        is_full = re.fullmatch(r"ge[0-9-]{10}T[0-9:]{8}\.[0-9]{3}Z", value) is not None
        return super()._fits(resource, name, value) if is_full else True


class CoarseServer(HabitServer):
    """`_lastUpdated` is compared by the hour, and `ge` means `gt`."""

    def _fits(self, resource: Resource, name: str, value: str) -> bool:
        if name != "_lastUpdated":
            return super()._fits(resource, name, value)
        self.fired += 1
        return bool(resource["meta"]["lastUpdated"][:13] > value[2:15])


class AfterServer(HabitServer):
    """`_lastUpdated` takes the prefix `gt` and no other."""

    def _search(self, seen: Seen) -> Answer:
        if any(not value.startswith("gt") for value in seen.query.get("_lastUpdated", [])):
            self.fired += 1
            return Answer(400, b"{}")
        return super()._search(seen)

    def _fits(self, resource: Resource, name: str, value: str) -> bool:
        if name == "_lastUpdated":
            return bool(resource["meta"]["lastUpdated"] > value.removeprefix("gt"))
        return super()._fits(resource, name, value)


class CachingServer(HabitServer):
    """Answers from a cache, unless that is forbidden; `fired` counts how often it would have."""

    def __init__(self, *resources: Any) -> None:
        super().__init__(*resources)
        self._cache: dict[str, Answer] = {}

    def answer(self, seen: Seen) -> Answer:
        key = f"{seen.path} {sorted(seen.query.items())}"
        if key in self._cache:
            self.fired += 1
            if seen.headers.get("Cache-Control") != "no-cache":
                return self._cache[key]
        self._cache[key] = super().answer(seen)
        return self._cache[key]
