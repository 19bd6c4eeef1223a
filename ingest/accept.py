"""From received resources to what is landed: judged, minimised, accepted or quarantined."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ingest.center import Center
from ingest.decode import JsonObject
from ingest.gate import Issue, has_id, judge
from ingest.instant import instant
from ingest.minimise import Minimised, minimise
from ingest.plan import Task
from warehouse.land import Landed, Quarantined


@dataclass(slots=True)
class Accepted:
    """What became of the resources of one task.

    `valid` are the landed resources as received; `unasked` counts resources that the query did not ask for.
    """

    valid: list[JsonObject] = field(default_factory=list)
    landed: list[Landed] = field(default_factory=list)
    quarantined: list[Quarantined] = field(default_factory=list)
    unasked: int = 0


def accept(resources: Iterable[JsonObject], task: Task, center: Center) -> Accepted:
    """Sort the resources a task's query brought; one bad resource never stops the others.

    A resource that was not asked for (a server may ignore a filter) is dropped unread, valid or not: it is
    not ours to keep, not even in quarantine.
    """
    accepted = Accepted()
    for resource in resources:
        if not task.query.admits(resource, center.base_url):
            accepted.unasked += 1
            continue
        minimised = minimise(resource, task.ask.resource_type)
        issues = [*judge(resource, center.fhir_version), *minimised.issues]
        if task.query.lacks_patient(resource, center.base_url):
            issues.append(_without_patient(task))
        if issues:
            accepted.quarantined += _quarantined(resource, minimised, issues, task)
        else:
            accepted.valid.append(resource)
            accepted.landed.append(_landed(resource, minimised))
    return accepted


def _without_patient(task: Task) -> Issue:
    resource_type = task.ask.resource_type
    # Servers behind another public address write absolute references below that one.
    return Issue(
        "subject",
        f"{resource_type.name}.{resource_type.patient_element}",
        "The reference names no patient of this server: it is missing, logical, or below another base URL.",
    )


def _landed(resource: Mapping[str, Any], minimised: Minimised) -> Landed:
    meta = resource.get("meta") or {}
    return Landed(
        resource_type=resource["resourceType"],
        resource_id=resource["id"],
        version_id=meta.get("versionId"),
        last_updated=instant(meta.get("lastUpdated")),
        content_hash=minimised.content_hash,
        body=minimised.body,
    )


def _quarantined(
    resource: Mapping[str, Any], minimised: Minimised, issues: Iterable[Issue], task: Task
) -> list[Quarantined]:
    resource_id = resource["id"] if has_id(resource) else ""
    return [
        Quarantined(
            resource_type=task.ask.resource_type.name,
            resource_id=resource_id,
            content_hash=minimised.content_hash,
            rule=issue.rule,
            path=issue.path,
            message=issue.message,
            body=minimised.body,
        )
        for issue in issues
    ]
