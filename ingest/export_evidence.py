"""A complete export as evidence: what it holds is there, and what it lacks is asked for or waited for.

That an export lacks a resource is no evidence of its deletion: exports were seen to leave things out. A
server is asked for the resource by its id, and its answer decides as it does for a center read by search. A
server that does not answer reads has not said anything: what is missing stays until an operator accepts it.
Of a folder nobody can be asked: what two complete deliveries in a row lack leaves.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from ingest.client import FhirClient
from ingest.decode import JsonObject
from ingest.export_landing import ExportLanding, Taken
from ingest.id_pass import Seen, require_going_on
from ingest.ndjson import pages
from ingest.plan import Ask, Task, patients_task
from ingest.query import Query
from ingest.read import Word, word_on
from ingest.search import Page
from ingest.source import ByExport
from mappings.errors import IncompleteError
from warehouse.absence import absent_since


class _Witness(Protocol):
    """Who is heard about a resource that a complete export lacks."""

    def word(self, resource_type: str, resource_id: str) -> Word:
        """What there is to say of it."""

    def is_waiting(self, resource_type: str) -> bool:
        """Whether something missed before is decided now."""

    def silence(self, resource_type: str, resources: int) -> str:
        """What an operator should know of resources of which nothing was said."""


class ExportEvidence:
    """A complete export on this machine, and who is heard about what it lacks."""

    is_steady = True  # files do not change while they are read

    def __init__(self, landing: ExportLanding, taken: Taken, witness: _Witness) -> None:
        self._center = landing.center
        self._taken = taken
        self._witness = witness
        self.is_waiting = witness.is_waiting
        self.silence = witness.silence

    @property
    def delivered_at(self) -> dt.datetime | None:
        """When the export was made."""
        return self._taken.delivered_at

    def tasks(self, ask: Ask, patient_ids: Sequence[str]) -> list[Task]:
        """One task for all patients: the files are read once for it."""
        return [patients_task(self._center, ask, patient_ids)] if patient_ids else []

    def find(self, tasks: Sequence[Task], seen: Seen) -> None:
        """Read the files for what the tasks choose."""
        for task in tasks:
            for page in self.pages(task):
                seen.take(task, page.resources, self._center.base_url)

    def pages(self, task: Task) -> Iterator[Page]:
        """What the task chooses of the files."""
        return pages(self._taken.files, task, self._center.base_url, self._taken.watermark)

    def words(self, ask: Ask, resource_ids: Sequence[str]) -> Iterator[tuple[str, Word]]:
        """What the files hold though nobody asks for it any more was recoded or moved; else the witness."""
        held = self._held(ask, resource_ids)
        for resource_id in resource_ids:
            if resource_id in held:
                yield resource_id, Word(held[resource_id])
            else:
                yield resource_id, self._witness.word(ask.resource_type.name, resource_id)

    def lagging(self, resource_type: str, resources: int) -> IncompleteError:
        """The export is not what it says it is."""
        return IncompleteError(
            f"Center {self._center.center_id}: a complete export lacks {resources} or more {resource_type} "
            "resources that its server still has; no deletion was noted.",
            "ask its server team what the export leaves out. If patients have left the Group on purpose, run "
            f"`cryocohort sync --accept-deletions {self._center.center_id}`.",
        )

    def _held(self, ask: Ask, resource_ids: Sequence[str]) -> Mapping[str, JsonObject]:
        if not resource_ids:
            return {}
        everything = Task(ask, Query(ask.resource_type.name, None, None, ()), ())
        wanted = set(resource_ids)
        return {
            resource["id"]: resource
            for page in self.pages(everything)
            for resource in page.resources
            if isinstance(resource.get("id"), str) and resource["id"] in wanted
        }


class ServerWitness:
    """The server that made the export, asked by id."""

    def __init__(self, source: ByExport, client: FhirClient, landing: ExportLanding) -> None:
        self._source = source
        self._client = client
        self._landing = landing

    def word(self, resource_type: str, resource_id: str) -> Word:
        """The server's own word; where it refuses to be asked, an operator's."""
        require_going_on(self._landing.center, self._landing.context)
        word = word_on(self._client, resource_type, resource_id, is_offered=False)
        if not self._landing.is_accepted or word.reason is not None:
            return word
        if word.resource is None:
            return Word(reason="absent")
        # Alive, and of nobody in the Group any more: an operator has said that this is right.
        return Word(reason="moved") if self._source.group_id is not None else word

    def is_waiting(self, resource_type: str) -> bool:  # noqa: ARG002
        """A server that is silent is asked again when the next comparison is due."""
        return False

    def silence(self, resource_type: str, resources: int) -> str:
        """It does not answer reads."""
        center_id = self._landing.center.center_id
        return (
            f"a complete export lacks {resources} {resource_type} resources, and the server does not answer "
            "when it is asked for them by id; they stay. Let the credentials read by id, or, if the center "
            f"says that they are gone, run `cryocohort sync --accept-deletions {center_id}`."
        )


class FolderWitness:
    """The complete deliveries before this one: nobody else can be heard about a folder."""

    def __init__(self, landing: ExportLanding, delivered_at: dt.datetime) -> None:
        self._landing = landing
        self._delivered_at = delivered_at
        self._absent: dict[str, Mapping[str, dt.datetime]] = {}

    def word(self, resource_type: str, resource_id: str) -> Word:
        """Gone when an earlier delivery lacked it as well and none between brought it, or by an operator."""
        if self._landing.is_accepted or self._is_decided(resource_type, resource_id):
            return Word(reason="absent")
        return Word()

    def is_waiting(self, resource_type: str) -> bool:
        """Whether an earlier delivery lacked something."""
        return any(self._is_decided(resource_type, each) for each in self._absent_of(resource_type))

    def silence(self, resource_type: str, resources: int) -> str:
        """The next delivery decides."""
        return (
            f"its last complete delivery lacks {resources} {resource_type} resources; they leave when the "
            "next one lacks them, too."
        )

    def _is_decided(self, resource_type: str, resource_id: str) -> bool:
        since = self._absent_of(resource_type).get(resource_id)
        return since is not None and since < self._delivered_at

    def _absent_of(self, resource_type: str) -> Mapping[str, dt.datetime]:
        if resource_type not in self._absent:
            landing = self._landing
            self._absent[resource_type] = absent_since(
                landing.warehouse, landing.center.center_id, resource_type
            )
        return self._absent[resource_type]
