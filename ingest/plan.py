"""What to ask a center: the cohort's procedures first, then the resources of the cohort's patients.

A patient not yet covered for a query gets the whole history; a covered one only what changed since the
watermark less the center's overlap. A watermark belongs to a fingerprint of the query and of what is kept
of the answer: when either changes, everything is read anew.
"""

import datetime as dt
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ingest.center import Center
from ingest.minimise import canonical
from ingest.query import CodeFilter, PatientFilter, Query
from ingest.resource_types import ResourceType, Search, Step, load_resource_types
from ingest.source import ByExport, ByFolder, BySearch
from mappings.errors import ConfigError
from mappings.terminology import MappedCode, query_codes
from warehouse.unit import Covered

COHORT = ""  # stands for the patient in the coverage of the cohort query


@dataclass(frozen=True, slots=True)
class Ask:
    """One search of one type as a center is asked it: its codes, and the fingerprint its coverage carries.

    `members` are the codings that make the patient of a found resource a member of the cohort.
    """

    resource_type: ResourceType
    search: Search
    codes: CodeFilter | None
    members: frozenset[tuple[str, str]]
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Task:
    """One query to run and land as one unit; `covers` are the patients (or COHORT) it completes."""

    ask: Ask
    query: Query
    covers: tuple[str, ...]


def asks(center: Center, code_map: Sequence[MappedCode], step: Step) -> list[Ask]:
    """The searches of a step; raises ConfigError when the code map has none of the codes a search needs."""
    return [
        _ask(center, code_map, resource_type, search)
        for resource_type in load_resource_types(center.fhir_version)
        for search in resource_type.searches
        if search.step == step
    ]


def cohort_task(center: Center, ask: Ask, covered: Mapping[str, Covered]) -> Task:
    """The query of the whole cohort, or of what changed in it."""
    known = covered.get(COHORT)
    since = known.watermark if known is not None and known.fingerprint == ask.fingerprint else None
    return Task(ask, _query(center, ask, (), since), (COHORT,))


def patient_tasks(
    center: Center, ask: Ask, patient_ids: Sequence[str], covered: Mapping[str, Covered]
) -> list[Task]:
    """Queries for the patients in batches: those of one batch need the whole history, or all only changes.

    Covered patients are batched in the order of their watermarks, and a batch asks from its earliest one:
    patients who came late join the others instead of staying a small batch for ever.
    """
    current = {key: entry for key, entry in covered.items() if entry.fingerprint == ask.fingerprint}
    new = sorted(each for each in patient_ids if each not in current)
    known = sorted((current[each].watermark, each) for each in patient_ids if each in current)
    tasks = [_patient_task(center, ask, batch, None) for batch in _batches(new, center.patient_batch)]
    for start in range(0, len(known), center.patient_batch):
        batch = known[start : start + center.patient_batch]
        tasks.append(_patient_task(center, ask, [each for _, each in batch], batch[0][0]))
    return tasks


def patients_task(center: Center, ask: Ask, patient_ids: Sequence[str]) -> Task:
    """Everything of these patients, however many: a choice among the resources of an export."""
    return _patient_task(center, ask, patient_ids, None)


def _ask(center: Center, code_map: Sequence[MappedCode], resource_type: ResourceType, search: Search) -> Ask:
    codes = None
    if search.code_parameter is not None:
        codes = CodeFilter(search.code_parameter, _codings(center, code_map, search))
        if not codes.codings:
            # Without the filter the server would send resources of every kind.
            raise ConfigError(
                f"The code map of center {center.center_id} has no code to search {resource_type.name} by.",
                "add approved codes to the center's codes folder.",
            )
    # What makes a member belongs to the cohort's fingerprint: a code that comes to mean cryoablation
    # brings in patients whose procedures were read before.
    members = _member_codings(center, code_map, resource_type, search) if search.step == "cohort" else ()
    ask = Ask(resource_type, search, codes, frozenset(members), "")
    return replace(ask, fingerprint=_fingerprint(center, ask))


def _member_codings(
    center: Center, code_map: Sequence[MappedCode], resource_type: ResourceType, search: Search
) -> Iterator[tuple[str, str]]:
    for codes in search.codes:
        yield from query_codes(code_map, center.center_id, codes.code_set, resource_type.member_concepts)


def _codings(center: Center, code_map: Sequence[MappedCode], search: Search) -> tuple[tuple[str, str], ...]:
    found = {
        coding
        for codes in search.codes
        for coding in query_codes(code_map, center.center_id, codes.code_set, codes.concepts or None)
    }
    return tuple(sorted(found))


def _fingerprint(center: Center, ask: Ask) -> str:
    resource_type, search, codes = ask.resource_type, ask.search, ask.codes
    told = {
        "base_url": center.base_url,
        "resource_type": resource_type.name,
        "patient_parameter": search.patient_parameter,
        "code_parameter": search.code_parameter,
        "codes": [list(coding) for coding in codes.codings] if codes else [],
        "members": [list(coding) for coding in sorted(ask.members)],
        "elements": list(search.elements),
        "kept": [
            sorted(resource_type.elements),
            sorted(resource_type.extensions),
            sorted(resource_type.texts),
        ],
    }
    if not isinstance(center.source, BySearch):
        # What is asked for differs; that of searches stays as it was before there was anything else.
        told["source"] = _source(center.source)
    return hashlib.sha256(canonical(told).encode("ascii")).hexdigest()


def _source(source: ByExport | ByFolder) -> list[str]:
    match source:
        case ByExport():
            return ["bulk", source.operation, str(source.sends_type_filter)]
        case ByFolder():
            return ["ndjson"]


def _patient_task(center: Center, ask: Ask, patient_ids: Sequence[str], since: dt.datetime | None) -> Task:
    return Task(ask, _query(center, ask, tuple(patient_ids), since), tuple(patient_ids))


def _query(center: Center, ask: Ask, patient_ids: tuple[str, ...], since: dt.datetime | None) -> Query:
    parameter = ask.search.patient_parameter
    return Query(
        resource_type=ask.resource_type.name,
        codes=ask.codes,
        patients=PatientFilter(parameter, ask.resource_type.patient_element, patient_ids)
        if parameter
        else None,
        options=tuple(_options(center, ask, since)),
    )


def _options(center: Center, ask: Ask, since: dt.datetime | None) -> Iterator[tuple[str, str]]:
    if ask.search.elements:
        yield "_elements", ",".join(ask.search.elements)
    if since is not None:
        # A full UTC instant: servers were seen to read shorter forms as the year 1 (wso2/fhir-server#47).
        instant = (since - center.overlap).astimezone(dt.UTC).replace(tzinfo=None)
        yield "_lastUpdated", f"ge{instant.isoformat(timespec='milliseconds')}Z"
    yield "_count", str(center.page_size)


def _batches(patient_ids: Sequence[str], size: int) -> list[Sequence[str]]:
    return [patient_ids[start : start + size] for start in range(0, len(patient_ids), size)]
