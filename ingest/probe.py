"""A center's searches, tried as a sync would ask them: how much there is, and what a few resources are like.

Minimum necessary: counts are asked by code and bring no resource; resources are asked of a few patients only,
those of the first procedures that the cohort search finds. Nothing is landed.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ingest.accept import Accepted, accept
from ingest.center import Center
from ingest.client import FhirClient
from ingest.decode import decode_object
from ingest.outcome import OutcomeIssue
from ingest.plan import Ask, Task, asks
from ingest.query import PatientFilter, Query, patient_of
from ingest.search import Glance, glance
from mappings.errors import ServerError, SignInError
from mappings.terminology import MappedCode
from warehouse.land import Landed

COHORT_SAMPLE = 5  # procedures whose patients are looked at
SAMPLE = 20  # resources of a type at most


@dataclass(frozen=True, slots=True)
class Count:
    """How many resources a search finds: `number` is None when the server does not say.

    `patients` is how many patients it was asked for, 0 for all; `is_upper_bound` when the query had to be
    cut, so that a resource with two of the codes may count twice.
    """

    number: int | None
    codes: int
    patients: int
    is_upper_bound: bool


@dataclass(frozen=True, slots=True)
class Probe:
    """One search of a sync, tried: its count, and a sample unless no cohort patient was there to ask for.

    `error` is what ended it; `losses` are codes of issues by which the server said that something is missing.
    """

    ask: Ask
    count: Count | None
    sample: Accepted | None
    has_next: bool
    is_cut_off: bool
    losses: tuple[str, ...]
    error: ServerError | SignInError | None

    @property
    def was_asked(self) -> bool:
        """Whether the server was asked: without codes and without a patient there is nothing to ask."""
        return self.error is not None or self.count is not None


def probe_center(client: FhirClient, code_map: Sequence[MappedCode]) -> list[Probe]:
    """Try the cohort's search, then the searches of its patients, in the order a sync asks them.

    Each search is tried, whatever became of the others. Raises ConfigError when the code map has none of the
    codes a search needs.
    """
    center = client.center
    cohort = [_probe(client, ask, None) for ask in asks(center, code_map, "cohort")]
    patients = _patients(center, cohort)
    return cohort + [_probe(client, ask, patients) for ask in asks(center, code_map, "patient")]


def clock_skew(server_time: dt.datetime, sent_at: dt.datetime, received_at: dt.datetime) -> dt.timedelta:
    """How far the server's clock is ahead of ours; a Date header tells whole seconds, cut off."""
    told = server_time + dt.timedelta(seconds=0.5)
    return told - (sent_at + (received_at - sent_at) / 2)


def _patients(center: Center, cohort: Sequence[Probe]) -> tuple[str, ...]:
    found = (
        patient_of(
            decode_object(landed.body.encode()), probe.ask.resource_type.patient_element, center.base_url
        )
        for probe in cohort
        if probe.sample is not None
        for landed in probe.sample.landed
    )
    return tuple(sorted({patient_id for patient_id in found if patient_id is not None}))


def _probe(client: FhirClient, ask: Ask, patient_ids: tuple[str, ...] | None) -> Probe:
    """Try one search: of the whole cohort, or of these patients (none: only the count by code is asked)."""
    probe = Probe(ask, None, None, has_next=False, is_cut_off=False, losses=(), error=None)
    try:
        probe = replace(probe, count=_count(client, ask, patient_ids))
        return probe if patient_ids == () else _with_sample(client, probe, patient_ids)
    except (ServerError, SignInError) as error:
        return replace(probe, error=error)


def _count(client: FhirClient, ask: Ask, patient_ids: tuple[str, ...] | None) -> Count | None:
    """Ask for the number alone; by codes for all patients, without codes for the sampled ones only."""
    if ask.codes is None and not patient_ids:
        return None
    asked_for = None if ask.codes is not None else patient_ids
    # A server that ignores _summary sends one resource, not a page of them.
    query = _query(ask, asked_for, ("_summary", "count"), ("_count", "1"))
    glances = glance(client, query)
    totals = [each.total for each in glances if each.total is not None]
    return Count(
        number=sum(totals) if len(totals) == len(glances) else None,
        codes=len(ask.codes.codings) if ask.codes else 0,
        patients=len(asked_for or ()),
        is_upper_bound=len(glances) > 1,
    )


def _with_sample(client: FhirClient, probe: Probe, patient_ids: tuple[str, ...] | None) -> Probe:
    elements = probe.ask.search.elements
    options = [("_elements", ",".join(elements))] if elements else []
    size = COHORT_SAMPLE if patient_ids is None else SAMPLE
    center, query = client.center, _query(probe.ask, patient_ids, *options, ("_count", str(size)))
    glances = glance(client, query)
    received = [resource for each in glances for resource in each.page.resources]
    return replace(
        probe,
        count=_completed(probe.count, glances, len(patient_ids or ())),
        sample=accept(received, Task(probe.ask, query, ()), center.base_url, center.fhir_version, {}),
        has_next=any(each.has_next for each in glances),
        is_cut_off=any(_is_cut_off(each) for each in glances),
        losses=tuple(sorted({issue.code for issue in _issues(glances) if issue.is_loss})),
    )


def _completed(count: Count | None, glances: Sequence[Glance], patients: int) -> Count | None:
    """The count, by the total of the sample's own Bundle where the server would not give the number alone."""
    totals = [each.total for each in glances if each.total is not None]
    if count is None or count.number is not None or len(totals) < len(glances):
        return count
    return replace(count, number=sum(totals), patients=patients)


def _is_cut_off(glance: Glance) -> bool:
    """Whether the page holds less than the server found and leads to no other page."""
    held = len(glance.page.resources) + glance.page.ignored
    return not glance.has_next and glance.total is not None and glance.total > held


def _issues(glances: Sequence[Glance]) -> list[OutcomeIssue]:
    return [issue for each in glances for issue in each.page.issues]


def _query(ask: Ask, patient_ids: tuple[str, ...] | None, *options: tuple[str, str]) -> Query:
    parameter = ask.search.patient_parameter
    patients = None
    if parameter is not None and patient_ids:
        patients = PatientFilter(parameter, ask.resource_type.patient_element, patient_ids)
    return Query(ask.resource_type.name, ask.codes, patients, options)


def landed_of(probes: Sequence[Probe]) -> list[Landed]:
    """The sampled resources that the gate lets through, as they would be stored; each once."""
    found = [landed for probe in probes if probe.sample for landed in probe.sample.landed]
    return list({(each.resource_type, each.resource_id): each for each in found}.values())
