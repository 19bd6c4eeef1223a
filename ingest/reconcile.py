"""Reconciliation: what no search finds any more is looked into, and leaves only on positive evidence.

Deletions never arrive by search, nor does the news that a resource was recoded or given to another patient.
So from time to time, after a complete sync, the ids of each type are read and compared with the warehouse:
a pass over all queries, and a second one when something seems missing (pages shift while they are read,
hapifhir/hapi-fhir#3608). What neither saw is asked for by its id, and only the server's own answer decides:
404 or 410 means deleted, content that no query asks for any more means recoded or moved, anything else
means nothing. An outage or a lost permission looks like a mass deletion: more departures than the limit,
or a type that has vanished whole, are held back until an operator accepts them.

A pass also finds what the nightly searches cannot: resources that are new although their lastUpdated is old
(a permission granted, a server restored from its backup) and versions that went back. Both are read again.

About URLs: a read puts an id into one. Ids of resources are opaque. Ids of patients are asked for by POST
where the server takes it; only a member of the cohort of whom it has said so twice that it has no such
patient is asked for by `GET Patient/id`, because a missing search result alone is no evidence of deletion.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ingest.accept import members_made_by
from ingest.center import Center
from ingest.client import FhirClient
from ingest.context import SyncContext
from ingest.decode import JsonObject
from ingest.id_pass import IdPass, Seen, require_going_on
from ingest.landing import Landing
from ingest.outcome import issues_of
from ingest.plan import Ask, Task, cohort_task, patient_tasks
from ingest.query import patient_of
from ingest.reply import Reply
from ingest.search import walk
from ingest.tally import Tally
from mappings.errors import ForbiddenError, IncompleteError, ServerError, SignInError, UnreachableError
from warehouse.connection import Warehouse
from warehouse.departures import (
    DepartureLimit,
    Reason,
    Reconciliation,
    former_members,
    is_due,
    known_versions,
    quarantined,
    reconcile,
    too_many,
)
from warehouse.land import LandCounts, members
from warehouse.versions import is_newer

_GONE = frozenset({404, 410})


@dataclass(frozen=True, slots=True)
class Place:
    """One center, its server, the warehouse, and how its resources land."""

    center: Center
    client: FhirClient
    warehouse: Warehouse
    context: SyncContext
    landing: Landing
    tally: Tally


def reconcile_center(place: Place, asks: Sequence[Ask]) -> None:
    """Reconcile each type that is due; `asks` has the cohort's first, which decide who is a member.

    A failure of one type is told to the tally and leaves that type as it was; raises UnreachableError.
    """
    by_type: dict[str, list[Ask]] = {}
    for ask in asks:
        by_type.setdefault(ask.resource_type.name, []).append(ask)
    for resource_type, its_asks in by_type.items():
        if not _is_wanted(place, resource_type):
            continue
        try:
            _TypeReconciliation(place, its_asks).run()
        except UnreachableError:
            raise
        except (ServerError, SignInError) as error:
            place.tally.fail(error, resource_type)


def _is_wanted(place: Place, resource_type: str) -> bool:
    rules, center_id = place.context.reconcile, place.center.center_id
    return rules.is_demanded(center_id) or is_due(
        place.warehouse, center_id, resource_type, place.context.now(), rules.every
    )


@dataclass(slots=True)
class _Answers:
    """What the server said of the resources that no search found."""

    deleted: list[str] = field(default_factory=list)
    alive: dict[str, JsonObject] = field(default_factory=dict)


class _TypeReconciliation:
    """One resource type of one center."""

    def __init__(self, place: Place, asks: Sequence[Ask]) -> None:
        self._place = place
        self._asks = asks
        self._kind = asks[0].resource_type
        self._seen = Seen()
        center_id, rules = place.center.center_id, place.context.reconcile
        self._known = known_versions(place.warehouse, center_id, self._kind.name)
        self._faulty = quarantined(place.warehouse, center_id, self._kind.name)
        self._members = set(members(place.warehouse, center_id))
        self._former = former_members(place.warehouse, center_id)
        self._limit = DepartureLimit(rules.max_deleted_percent, center_id in rules.accepted)

    def run(self) -> None:
        """Compare, read again what is new here, ask about what is missing, and note what left."""
        ended = self._ended_members()
        self._require_cohort(ended)
        self._pass_over(self._members - ended)
        self._require_some()
        self._read_again()
        answers = self._ask_about(sorted(self._known.keys() - self._seen.versions.keys()), ended)
        ended -= self._made_members(answers.alive.values())
        self._conclude(answers, ended)

    def _ended_members(self) -> set[str]:
        """The members for whom two passes found no procedure of the cohort."""
        tasks = self._cohort_tasks()
        if not tasks:
            return set()
        self._run(tasks)
        if self._members - self._seen.members:
            self._run(tasks)
        return self._members - self._seen.members

    def _pass_over(self, patient_ids: set[str]) -> None:
        tasks = self._patient_tasks(patient_ids)
        self._run(tasks)
        if (self._known.keys() | self._faulty.keys()) - self._seen.versions.keys() - {""}:
            self._run([*self._cohort_tasks(), *tasks])

    def _run(self, tasks: Sequence[Task]) -> None:
        place = self._place
        IdPass(place.center, place.client, place.context).run(tasks, self._seen)

    def _cohort_tasks(self) -> list[Task]:
        return [cohort_task(self._place.center, ask, {}) for ask in self._of_step("cohort")]

    def _patient_tasks(self, patient_ids: set[str]) -> list[Task]:
        return [
            task
            for ask in self._of_step("patient")
            for task in patient_tasks(self._place.center, ask, sorted(patient_ids), {})
        ]

    def _of_step(self, step: str) -> Iterator[Ask]:
        return (ask for ask in self._asks if ask.search.step == step)

    def _require_cohort(self, ended: set[str]) -> None:
        """Hold everything back when the cohort itself seems to vanish."""
        leaving, of = len(ended), len(self._members)
        is_whole = leaving == of > 0 and not self._limit.is_lifted
        if is_whole or self._limit.forbids(leaving, of):
            raise too_many(self._place.center.center_id, "cohort Patient", leaving, of)

    def _require_some(self) -> None:
        """Hold everything back when a type has vanished whole: so it looks after an outage, too."""
        known = len(self._known)
        if known and not self._seen.versions and not self._limit.is_lifted:
            raise too_many(self._place.center.center_id, self._kind.name, known, known)

    def _read_again(self) -> None:
        """Land what the passes saw and the warehouse lacks, and what went back to an older version."""
        seen, known = self._seen.versions, self._known
        unknown = seen.keys() - known.keys() - self._faulty.keys()
        set_back = {each for each in seen.keys() & known.keys() if not is_newer(seen[each], known[each])}
        tasks = {id(task): task for each, task in self._seen.found_by.items() if each in unknown | set_back}
        for task in tasks.values():
            require_going_on(self._place.center, self._place.context)
            self._place.landing.land(task, walk(self._place.client, task.query), set_back)
        self._warn(len(set_back))

    def _ask_about(self, missing: Sequence[str], ended: set[str]) -> _Answers:
        """Read what no search found; gives up as soon as too much of it is gone, or is there after all."""
        answers, lagging = _Answers(), 0
        tasks = [*self._cohort_tasks(), *self._patient_tasks(self._members - ended)]
        for resource_id in missing:
            if self._kind.patient_element == "id" and resource_id not in self._members - ended:
                continue  # a patient who is no member is not the study's, whatever the server has
            resource = self._read(resource_id)
            if resource is None:
                answers.deleted.append(resource_id)
            else:
                answers.alive[resource_id] = resource
                lagging += self._task_for(resource, tasks) is not None
            self._require_few(len(answers.deleted))
            self._require_index(lagging)
        return answers

    def _read(self, resource_id: str) -> JsonObject | None:
        """The resource as it is now; None when the server says that it is gone."""
        require_going_on(self._place.center, self._place.context)
        if not resource_id.strip("."):
            raise self._undecided("was not asked")  # '..' in a URL is another address
        reply = self._place.client.read(self._kind.name, resource_id)
        resource = reply.resource or {}
        if reply.is_success and (resource.get("resourceType"), resource.get("id")) == (
            self._kind.name,
            resource_id,
        ):
            return resource
        # A gateway's 404 is not the server's: that one says why, in an OperationOutcome.
        if reply.status in _GONE and issues_of(resource):
            return None
        raise self._refusal(reply)

    def _refusal(self, reply: Reply) -> ServerError | SignInError:
        error = self._undecided(f"answered {reply.status} when it was asked")
        if reply.status == 401:
            return SignInError(error.message, "check the credentials and what they may read.")
        if reply.status == 403:
            return ForbiddenError(error.message, "let the credentials read by id as well as search.")
        return error

    def _undecided(self, what: str) -> ServerError:
        return self._place.client.failure(
            f"{what} for one {self._kind.name} by its id that no search finds; no deletion was noted.",
            "let the server answer reads by id; the next sync asks again.",
        )

    def _made_members(self, resources: Iterable[JsonObject]) -> set[str]:
        base_url = self._place.center.base_url
        return {
            member
            for resource in resources
            for task in self._cohort_tasks()
            if task.query.admits(resource, base_url)
            for member in members_made_by(resource, task, base_url)
        }

    def _conclude(self, answers: _Answers, ended: set[str]) -> None:
        tasks = [*self._cohort_tasks(), *self._patient_tasks(self._members - ended)]
        departed: dict[str, Reason] = dict.fromkeys(answers.deleted, "deleted")
        lagging: dict[str, Task] = {}
        counted = len(departed)
        former = self._former | ended
        for resource_id, resource in answers.alive.items():
            task = self._task_for(resource, tasks)
            if task is not None:
                lagging[resource_id] = task
                continue
            departed[resource_id] = _reason(resource, tasks)
            counted += not self._belongs_to(resource, former)
        self._require_few(counted)
        if self._kind.patient_element == "id":
            departed |= dict.fromkeys(self._known.keys() - (self._members - ended), "moved")
        for resource_id, task in lagging.items():
            self._place.landing.land_read(task, [answers.alive[resource_id]])
        self._note(departed, set(lagging), ended)

    def _task_for(self, resource: JsonObject, tasks: Sequence[Task]) -> Task | None:
        """The task that would still bring this resource."""
        base_url = self._place.center.base_url
        return next(
            (
                task
                for task in tasks
                if task.query.admits(resource, base_url) and not task.query.lacks_patient(resource, base_url)
            ),
            None,
        )

    def _belongs_to(self, resource: JsonObject, patient_ids: set[str]) -> bool:
        # Whoever left the cohort takes everything along: the limit has judged the patients themselves.
        found = patient_of(resource, self._kind.patient_element, self._place.center.base_url)
        return found in patient_ids

    def _require_few(self, leaving: int) -> None:
        if self._limit.forbids(leaving, len(self._known)):
            raise too_many(self._place.center.center_id, self._kind.name, leaving, len(self._known))

    def _require_index(self, lagging: int) -> None:
        if self._limit.forbids(lagging, len(self._known)):
            raise IncompleteError(
                self._place.client.said(
                    f"finds {lagging} or more {self._kind.name} resources by no search though it still has "
                    "them; no deletion was noted."
                ),
                "ask its server team to rebuild the search index.",
            )

    def _note(self, departed: dict[str, Reason], lagging: set[str], ended: set[str]) -> None:
        place = self._place
        found = Reconciliation(
            run_id=place.context.run_id,
            center_id=place.center.center_id,
            resource_type=self._kind.name,
            finished_at=place.context.now(),
            heads=len(self._known),
            seen=len(self._seen.versions),
            lagging=len(lagging),
            departed=departed,
            settled=sorted(self._settled() - lagging),
            ended_members=sorted(ended),
            is_limit_lifted=self._limit.is_lifted,
        )
        place.tally.depart(self._kind.name, reconcile(place.warehouse, found))

    def _settled(self) -> set[str]:
        """The faulty resources that are not there any more; those without id only when none is left."""
        run_id = self._place.context.run_id
        old = {each for each, last_run_id in self._faulty.items() if last_run_id < run_id}
        return old - self._seen.versions.keys() - ({""} if self._seen.without_id else set())

    def _warn(self, warnings: int) -> None:
        self._place.tally.add(self._kind.name, LandCounts(0, 0, 0, 0), warnings)


def _reason(resource: JsonObject, tasks: Sequence[Task]) -> Reason:
    return "moved" if any(task.query.admits_code(resource) for task in tasks) else "recoded"
