"""A pass over the ids: the queries of a sync without `_lastUpdated`, asked for ids and what they choose by.

Nothing of a pass is landed. What a query chooses by comes along, so that the rows tell whether the server
applied the filter (trust rows, not links: HeliosSoftware/hfs#474); a server that ignores `_elements` sends
more, which is dropped here.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from ingest.accept import members_made_by
from ingest.center import Center
from ingest.client import FhirClient
from ingest.context import SyncContext
from ingest.decode import JsonObject
from ingest.gate import has_id
from ingest.instant import instant
from ingest.plan import Task
from ingest.query import Query
from ingest.search import walk
from ingest.stopping import Stopping
from mappings.errors import IncompleteError
from warehouse.departures import KnownVersion
from warehouse.versions import is_newer


@dataclass(slots=True)
class Seen:
    """What passes have found: versions by id, the tasks that found them, the members they make.

    `without_id` counts resources that have no id to go by.
    """

    versions: dict[str, KnownVersion] = field(default_factory=dict)
    found_by: dict[str, Task] = field(default_factory=dict)
    members: set[str] = field(default_factory=set)
    without_id: int = 0

    def take(self, task: Task, resources: Iterable[JsonObject], base_url: str) -> None:
        """Add what one answer to a task holds."""
        for resource in resources:
            if not _is_asked_for(task.query, resource, base_url):
                continue
            self.members.update(members_made_by(resource, task, base_url))
            if has_id(resource):
                self._see(_version(resource), task)
            else:
                self.without_id += 1

    def _see(self, version: KnownVersion, task: Task) -> None:
        # Exports were seen to hold older versions beside the current one, in any order.
        held = self.versions.get(version.resource_id)
        if held is None or is_newer(version, held):
            self.versions[version.resource_id] = version
        self.found_by[version.resource_id] = task

    def add(self, other: "Seen") -> None:
        """Add what another part of a pass has found."""
        self.versions |= other.versions
        self.found_by |= other.found_by
        self.members |= other.members
        self.without_id += other.without_id


class IdPass:
    """Asks one center's server for the ids that tasks find; several queries at a time."""

    def __init__(self, center: Center, client: FhirClient, context: SyncContext) -> None:
        self._center = center
        self._client = client
        self._context = context

    def run(self, tasks: Sequence[Task], seen: Seen) -> None:
        """Add to `seen` what the tasks find; raises ServerError or SignInError unless all of it was sent."""
        with ThreadPoolExecutor(self._center.concurrency) as pool:
            for found in pool.map(self._found, tasks):
                seen.add(found)

    def _found(self, task: Task) -> Seen:
        require_going_on(self._center, self._context)
        found = Seen()
        for page in walk(self._client, ids_query(task, self._center.page_size)):
            losses = {issue.code for issue in page.issues if issue.is_loss}
            if losses or page.lost:
                raise IncompleteError(
                    self._client.said(
                        f"left something out of the ids of {task.ask.resource_type.name} "
                        f"(OperationOutcome: {', '.join(sorted(losses)) or 'incomplete'}); "
                        "no deletion was looked for."
                    ),
                    "ask the center's server team, naming the time of this message.",
                )
            found.take(task, page.resources, self._center.base_url)
        return found


def require_going_on(center: Center, context: SyncContext) -> None:
    """Raise StoppedError when the run was asked to stop."""
    Stopping(center.center_id, context.is_stopping).require_going_on()


def ids_query(task: Task, page_size: int) -> Query:
    """The task's query for ids and the elements it chooses by, whatever their age."""
    elements = {"id": None, task.ask.resource_type.patient_element: None}
    if task.query.codes is not None:
        elements[task.query.codes.parameter] = None
    options = (("_elements", ",".join(elements)), ("_count", str(page_size)))
    return replace(task.query, options=options)


def _is_asked_for(query: Query, resource: JsonObject, base_url: str) -> bool:
    # A server may leave out even what _elements names: that it found the resource must do then.
    is_code_told = query.codes is None or query.codes.parameter in resource
    return not is_code_told or query.admits(resource, base_url)


def _version(resource: JsonObject) -> KnownVersion:
    told = resource.get("meta")
    meta = told if isinstance(told, dict) else {}
    version_id = meta.get("versionId")
    return KnownVersion(
        resource["id"],
        version_id if isinstance(version_id, str) else None,
        instant(meta.get("lastUpdated")),
    )
