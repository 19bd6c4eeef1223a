"""What a center gives to tell what it has no more: passes over ids, and its word on one resource."""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Protocol

from ingest.center import Center
from ingest.client import FhirClient
from ingest.context import SyncContext
from ingest.id_pass import IdPass, Seen, require_going_on
from ingest.plan import Ask, Task, patient_tasks
from ingest.read import Word, word_on
from ingest.search import Page, walk
from mappings.errors import IncompleteError


class Evidence(Protocol):
    """How one center is compared with the warehouse. All methods raise ServerError or SignInError."""

    @property
    def is_steady(self) -> bool:
        """Whether a second pass could find nothing else than the first."""

    @property
    def delivered_at(self) -> dt.datetime | None:
        """When the export was made that is compared; None for a comparison by search."""

    def tasks(self, ask: Ask, patient_ids: Sequence[str]) -> list[Task]:
        """The tasks that find everything of these patients."""

    def find(self, tasks: Sequence[Task], seen: Seen) -> None:
        """Add to `seen` what the tasks find."""

    def pages(self, task: Task) -> Iterator[Page]:
        """What a task finds, whole, to be landed."""

    def words(self, ask: Ask, resource_ids: Sequence[str]) -> Iterator[tuple[str, Word]]:
        """What the center says of each of these resources; asked one after the other."""

    def is_waiting(self, resource_type: str) -> bool:
        """Whether an earlier comparison left something to this one, due or not."""

    def lagging(self, resource_type: str, resources: int) -> IncompleteError:
        """The error for too many that no pass found though the center still has them."""

    def silence(self, resource_type: str, resources: int) -> str:
        """What an operator should know of resources of which nothing was said."""


class SearchEvidence:
    """The searches of a sync, asked for ids; what they do not find is read by its id."""

    is_steady = False  # pages shift while they are read (hapifhir/hapi-fhir#3608)
    delivered_at = None

    def __init__(self, center: Center, client: FhirClient, context: SyncContext) -> None:
        self._center = center
        self._client = client
        self._context = context

    def tasks(self, ask: Ask, patient_ids: Sequence[str]) -> list[Task]:
        """Searches for the patients in batches, whatever the age of their resources."""
        return patient_tasks(self._center, ask, patient_ids, {})

    def find(self, tasks: Sequence[Task], seen: Seen) -> None:
        """Ask for the ids."""
        IdPass(self._center, self._client, self._context).run(tasks, seen)

    def pages(self, task: Task) -> Iterator[Page]:
        """Search for the resources themselves."""
        return walk(self._client, task.query)

    def words(self, ask: Ask, resource_ids: Sequence[str]) -> Iterator[tuple[str, Word]]:
        """Read each by its id: nothing but the server's own answer counts."""
        for resource_id in resource_ids:
            require_going_on(self._center, self._context)
            yield resource_id, word_on(self._client, ask.resource_type.name, resource_id)

    def is_waiting(self, resource_type: str) -> bool:  # noqa: ARG002
        """Every comparison by search comes to its end."""
        return False

    def lagging(self, resource_type: str, resources: int) -> IncompleteError:
        """The index is behind the data."""
        return IncompleteError(
            self._client.said(
                f"finds {resources} or more {resource_type} resources by no search though it still has them; "
                "no deletion was noted."
            ),
            "ask its server team to rebuild the search index.",
        )

    def silence(self, resource_type: str, resources: int) -> str:
        """Never told: a read without an answer ends the comparison."""
        return self._client.said(f"says nothing of {resources} {resource_type} resources.")
