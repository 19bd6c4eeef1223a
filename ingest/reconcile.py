"""Reconciliation: what a center lists no more is looked into, and leaves only on positive evidence.

Deletions never arrive by search, nor does the news that a resource was recoded or given to another patient.
So from time to time, after a complete sync, the ids of each type are read and compared with the warehouse:
a pass over all queries, and a second one when something seems missing (pages shift while they are read,
hapifhir/hapi-fhir#3608). What neither saw is asked for by its id, and only the server's own answer decides:
404 or 410 means deleted, content that no query asks for any more means recoded or moved, anything else
means nothing. An outage or a lost permission looks like a mass deletion: more departures than the limit,
or a type that has vanished whole, are held back until an operator accepts them.

A center that is read by export is compared with an export of everything (ingest/export_evidence.py).

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
from ingest.context import SyncContext
from ingest.decode import JsonObject
from ingest.evidence import Evidence
from ingest.export_evidence import ExportEvidence
from ingest.export_landing import ExportLanding
from ingest.id_pass import Seen, require_going_on
from ingest.landing import Landing
from ingest.plan import Ask, Task, cohort_task
from ingest.query import patient_of
from ingest.tally import Tally
from mappings.errors import ServerError, SignInError, StoppedError, UnreachableError
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


@dataclass(frozen=True, slots=True)
class Place:
    """One center, the warehouse, and how its resources land."""

    center: Center
    warehouse: Warehouse
    context: SyncContext
    landing: Landing
    tally: Tally


def reconcile_center(place: Place, evidence: Evidence, asks: Sequence[Ask]) -> None:
    """Reconcile each type that is due; `asks` has the cohort's first, which decide who is a member.

    A failure of one type is told to the tally and leaves that type as it was; raises UnreachableError, and
    StoppedError when the sync is to stop.
    """
    by_type: dict[str, list[Ask]] = {}
    for ask in asks:
        by_type.setdefault(ask.resource_type.name, []).append(ask)
    # If resources of several types made members, no pass over one of them could tell who is none any more.
    cohort_types = {ask.resource_type.name for ask in asks if ask.search.step == "cohort"}
    for resource_type, its_asks in by_type.items():
        is_wanted = is_any_wanted(place.warehouse, place.center, place.context, [resource_type])
        if not is_wanted and not evidence.is_waiting(resource_type):
            continue
        try:
            is_decisive = cohort_types == {resource_type}
            _TypeReconciliation(place, evidence, its_asks, is_decisive=is_decisive).run()
        except (UnreachableError, StoppedError):
            raise
        except (ServerError, SignInError) as error:
            place.tally.fail(error, resource_type)


def reconcile_export(landing: ExportLanding, evidence: ExportEvidence) -> None:
    """Reconcile a center with an export of everything, once all of it has landed and nothing is missing."""
    if landing.tally.is_complete():
        place = Place(landing.center, landing.warehouse, landing.context, landing.landing, landing.tally)
        reconcile_center(place, evidence, [*landing.cohort_asks, *landing.patient_asks])


def is_any_wanted(
    warehouse: Warehouse, center: Center, context: SyncContext, resource_types: Iterable[str]
) -> bool:
    """Whether one of these types is due to be compared, or an operator asks for it."""
    rules, center_id, now = context.reconcile, center.center_id, context.now()
    return rules.is_demanded(center_id) or any(
        is_due(warehouse, center_id, each, now, rules.every) for each in resource_types
    )


@dataclass(slots=True)
class _Answers:
    """What the center said of the resources that were not found."""

    gone: dict[str, Reason] = field(default_factory=dict)
    alive: dict[str, JsonObject] = field(default_factory=dict)
    untold: list[str] = field(default_factory=list)


class _TypeReconciliation:
    """One resource type of one center; a decisive one tells who is a member of the cohort."""

    def __init__(self, place: Place, evidence: Evidence, asks: Sequence[Ask], *, is_decisive: bool) -> None:
        self._place = place
        self._evidence = evidence
        self._asks = asks
        self._kind = asks[0].resource_type
        self._is_decisive = is_decisive
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
        answers = self._ask_about(ended)
        if ended and answers.untold:
            # What made these patients members may be among it.
            ended = set()
            self._pass_over(self._members)
            answers = self._ask_about(ended)
        ended -= self._made_members(answers.alive.values())
        self._conclude(answers, ended)

    def _ended_members(self) -> set[str]:
        """The members for whom two passes found no procedure of the cohort."""
        tasks = self._cohort_tasks()
        self._run(tasks)
        if not self._is_decisive:
            return set()
        if self._members - self._seen.members and not self._evidence.is_steady:
            self._run(tasks)
        return self._members - self._seen.members

    def _pass_over(self, patient_ids: set[str]) -> None:
        tasks = self._patient_tasks(patient_ids)
        self._run(tasks)
        missing = (self._known.keys() | self._faulty.keys()) - self._seen.versions.keys() - {""}
        if missing and not self._evidence.is_steady:
            self._run([*self._cohort_tasks(), *tasks])

    def _run(self, tasks: Sequence[Task]) -> None:
        self._evidence.find(tasks, self._seen)

    def _cohort_tasks(self) -> list[Task]:
        return [cohort_task(self._place.center, ask, {}) for ask in self._of_step("cohort")]

    def _patient_tasks(self, patient_ids: set[str]) -> list[Task]:
        return [
            task
            for ask in self._of_step("patient")
            for task in self._evidence.tasks(ask, sorted(patient_ids))
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
            self._place.landing.land(task, self._evidence.pages(task), set_back)
        if set_back:
            self._place.tally.add(self._kind.name, LandCounts(0, 0, 0, 0), len(set_back))

    def _ask_about(self, ended: set[str]) -> _Answers:
        """Ask about what is missing; gives up as soon as too much of it is gone, or is there after all."""
        answers, lagging, members = _Answers(), 0, self._members - ended
        tasks = [*self._cohort_tasks(), *self._patient_tasks(members)]
        missing = sorted(self._known.keys() - self._seen.versions.keys())
        if self._kind.patient_element == "id":
            # A patient who is no member is not the study's, whatever the server has.
            missing = [each for each in missing if each in members]
        for resource_id, word in self._evidence.words(self._asks[0], missing):
            if word.resource is not None:
                answers.alive[resource_id] = word.resource
                lagging += self._task_for(word.resource, tasks) is not None
            elif word.reason is not None:
                answers.gone[resource_id] = word.reason
            else:
                answers.untold.append(resource_id)
            self._require_few(len(answers.gone) + len(answers.untold))
            self._require_index(lagging)
        return answers

    def _made_members(self, resources: Iterable[JsonObject]) -> set[str]:
        base_url, tasks = self._place.center.base_url, self._cohort_tasks()
        return {
            member
            for resource in resources
            for task in tasks
            if task.query.admits(resource, base_url)
            for member in members_made_by(resource, task, base_url)
        }

    def _conclude(self, answers: _Answers, ended: set[str]) -> None:
        tasks = [*self._cohort_tasks(), *self._patient_tasks(self._members - ended)]
        departed = dict(answers.gone)
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
            # A warning each: no search found it.
            self._place.landing.land_read(task, [answers.alive[resource_id]], warnings=1)
        self._note(departed, set(lagging), ended, answers.untold)

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
            raise self._evidence.lagging(self._kind.name, lagging)

    def _note(
        self, departed: dict[str, Reason], lagging: set[str], ended: set[str], untold: Sequence[str]
    ) -> None:
        place, name = self._place, self._kind.name
        found = Reconciliation(
            run_id=place.context.run_id,
            center_id=place.center.center_id,
            resource_type=name,
            finished_at=place.context.now(),
            heads=len(self._known),
            seen=len(self._seen.versions),
            lagging=len(lagging),
            departed=departed,
            settled=sorted(self._settled() - lagging),
            ended_members=sorted(ended),
            is_limit_lifted=self._limit.is_lifted,
            absent=untold,
            delivered_at=self._evidence.delivered_at,
        )
        place.tally.depart(name, reconcile(place.warehouse, found))
        if untold:
            silence = self._evidence.silence(name, len(untold))
            place.tally.remark(f"Center {place.center.center_id}: {silence}")

    def _settled(self) -> set[str]:
        """The faulty resources that are not there any more; those without id only when none is left."""
        run_id = self._place.context.run_id
        old = {each for each, last_run_id in self._faulty.items() if last_run_id < run_id}
        return old - self._seen.versions.keys() - ({""} if self._seen.without_id else set())


def _reason(resource: JsonObject, tasks: Sequence[Task]) -> Reason:
    return "moved" if any(task.query.admits_code(resource) for task in tasks) else "recoded"
